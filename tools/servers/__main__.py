"""`make servers`: builds the servers that tests run against."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tools import interruption
from tools.servers import ServerUnavailable, azurite, fakegcs, minio, toxiproxy, versitygw

if TYPE_CHECKING:
    from collections.abc import Callable

SERVERS: dict[str, tuple[str, Callable[[], object]]] = {
    "versitygw": (versitygw.VERSION, versitygw.binary),
    "toxiproxy": (toxiproxy.VERSION, toxiproxy.SERVER.binary),
    "fake-gcs-server": (fakegcs.VERSION, fakegcs.SERVER.binary),
    "azurite": (azurite.VERSION, azurite.command_line),
    "minio": (minio.VERSION, minio.SERVER.binary),
}


def main() -> int:
    interruption.as_exit()
    missing = 0
    for name, (version, get) in SERVERS.items():
        try:
            get()
        except ServerUnavailable as error:
            print(f"servers: {error}", file=sys.stderr)
            missing = 1
        else:
            print(f"servers: {name} {version}", flush=True)
    return missing


if __name__ == "__main__":
    sys.exit(main())
