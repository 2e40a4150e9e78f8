"""Run in a network namespace of its own: a promotion while every address of the primary swallows what is sent to it.

    unshare --net python -m tests.drstack.recovery.black_hole FOLDER [witness]

Prints one JSON document: how it ended, how long it took, and how many packets the black hole had swallowed.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from drstack.assembly import OTHERS_S, WITNESS_S
from drstack.errors import DrstackError
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.witness.witness import Witness
from replicator.repository.repository import Repository, random_token
from replicator.stores.url import open_store
from tests.drstack.recovery.fleet import Fleet

NEAR, FAR = "10.99.0.1", "10.99.0.2"
URL = f"s3://east?region=us-east-1&endpoint=http://{FAR}:9000"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFDSTADDR, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x8918, 0x8913, 0x8914, 0x1


class BlackHole:
    """A point-to-point device whose other end answers nothing. `swallowed`: when each packet came, unix seconds."""

    def __init__(self) -> None:
        self.swallowed: list[float] = []
        self._tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH14x", b"hole", _IFF_TUN | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for request, address in ((_SIOCSIFADDR, NEAR), (_SIOCSIFDSTADDR, FAR)):
                told = struct.pack("16sHH4s8x", b"hole", socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(control, request, told)
            for name in (b"hole", b"lo"):
                flags = struct.unpack(
                    "16sH", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH14x", name, 0))[:18]
                )[1]
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | _IFF_UP))
        threading.Thread(target=self._swallow, daemon=True).start()

    def _swallow(self) -> None:
        while os.read(self._tun, 4096):
            self.swallowed.append(time.time())


def main(folder: Path, *, witness_too: bool) -> None:
    os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing")
    hole = BlackHole()
    fleet = Fleet(folder, names=("a", "b"), places=("east", "west"))
    fleet.save()
    fleet.sites["east"].reachable = False
    repositories = {"west": fleet.repository("west"), "east": Repository("east", open_store(URL, limit_s=OTHERS_S))}
    world = fleet.world(sleep=time.sleep, repositories=repositories)
    if witness_too:
        store = open_store(URL, limit_s=WITNESS_S)
        world = fleet.world(witness=Witness(store, "e", clock=time.time, token=random_token), repositories=repositories)
    began = time.monotonic()
    try:
        end = promote(world, "west", Given(by="test"))
        told = {"result": end["result"], "fences": end["fences"], "phases": end["phases"]}
    except DrstackError as error:
        told = {"result": type(error).__name__, "why": str(error), "exit": error.exit_code}
    told |= {"seconds": time.monotonic() - began, "swallowed": len(hole.swallowed), "writers": fleet.writers()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)  # what waits for the black hole is left behind


if __name__ == "__main__":
    main(Path(sys.argv[1]), witness_too="witness" in sys.argv[2:])
