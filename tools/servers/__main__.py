"""`make servers`: builds the servers that tests run against."""

from __future__ import annotations

import sys

from tools import interruption
from tools.servers import ServerUnavailable, versitygw


def main() -> int:
    interruption.as_exit()
    try:
        print(f"servers: versitygw {versitygw.VERSION} in {versitygw.binary().parent}")
    except ServerUnavailable as error:
        print(f"servers: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
