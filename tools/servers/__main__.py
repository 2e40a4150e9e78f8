"""`make servers`: builds the servers that tests run against; or those that are named as arguments."""

from __future__ import annotations

import sys

from tools import interruption
from tools.servers import ServerUnavailable, caddy, versitygw

BINARIES = {"caddy": caddy.binary, "versitygw": versitygw.binary}


def main() -> int:
    interruption.as_exit()
    wanted = sys.argv[1:] or list(BINARIES)
    failed = False
    for name in wanted:
        try:
            print(f"servers: {name} is {BINARIES[name]()}")
        except ServerUnavailable as error:
            print(f"servers: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
