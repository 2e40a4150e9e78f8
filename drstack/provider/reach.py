"""Opening the stores that the kinds work on: witness and repositories, with this process's clock and randomness."""

from __future__ import annotations

import secrets
import time

from drstack.witness.witness import Witness
from replicator.stores.url import open_store


def clock() -> float:
    return time.time()


def token() -> str:
    return secrets.token_hex(16)


def open_witness(url: str, environment: str) -> Witness:
    return Witness(open_store(url), environment, clock=clock, token=token)
