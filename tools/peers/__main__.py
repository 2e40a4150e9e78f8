"""`python -m tools.peers`: gets the programs that the benchmarks compare with; or those that are named as arguments."""

from __future__ import annotations

import sys

from tools import interruption
from tools.peers.programs import PEERS
from tools.servers import ServerUnavailable


def main() -> int:
    interruption.as_exit()
    missing = 0
    for name in sys.argv[1:] or PEERS:
        try:
            print(f"peers: {name} at {PEERS[name]()}", flush=True)
        except ServerUnavailable as error:
            print(f"peers: {error}", file=sys.stderr)
            missing = 1
    return missing


if __name__ == "__main__":
    sys.exit(main())
