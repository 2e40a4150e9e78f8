"""`make servers`: builds the servers that tests run against; or those that are named as arguments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tools import interruption
from tools.servers import ServerUnavailable, azurite, caddy, debian, fakegcs, minio, toxiproxy, versitygw

if TYPE_CHECKING:
    from collections.abc import Callable

SERVERS: dict[str, tuple[str, Callable[[], object]]] = {
    "caddy": (caddy.VERSION, caddy.binary),
    "versitygw": (versitygw.VERSION, versitygw.binary),
    "toxiproxy": (toxiproxy.VERSION, toxiproxy.SERVER.binary),
    "fake-gcs-server": (fakegcs.VERSION, fakegcs.SERVER.binary),
    "azurite": (azurite.VERSION, azurite.command_line),
    "bind": (debian.VERSION, debian.NAMED.found),
    "powerdns": (debian.VERSION, debian.POWERDNS.found),
    "minio": (minio.VERSION, minio.SERVER.binary),
}


def main() -> int:
    interruption.as_exit()
    missing = 0
    for name in sys.argv[1:] or SERVERS:
        version, get = SERVERS[name]
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
