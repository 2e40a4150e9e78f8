"""Whether the keys at hand would do for a promotion to a standby: signed with, and opened with, for real."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.custody.ring import SEEN, open_keys
from drstack.readiness.situation import KeysAtHand
from replicator.crypto.keyring import PASSPHRASE_FILE, read_passphrase
from replicator.crypto.kms import kms_at
from replicator.crypto.protection import Unlocking
from replicator.errors import KeyAbsent, KeyLocked, ReplicatorError
from replicator.repository.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.world import World
    from drstack.spec import Environment
    from replicator.crypto.keyring import Keyring


def try_keys(declared: Environment, root: Path, world: World, site: str, also: Sequence[Path]) -> KeysAtHand | None:
    """None where nothing is encrypted. `also`: the folders that a promotion to the site reads keys from besides."""
    try:
        ring = open_keys(declared, root, also=also, unlocking=Unlocking(passphrase=_unasked, kms=kms_at))
    except ReplicatorError as error:
        return KeysAtHand(signs=False, why_not=str(error))
    if ring is None:
        return None
    folder = str(ring.folder)
    why, locked = _why_unsigned(ring)
    recipients = tuple(key.name for key in ring.recipients())
    opened, closed = _opens(ring, world.repositories.get(site)) if recipients else (None, None)
    return KeysAtHand(why is None, why, locked, recipients, opened, closed, folder)


def _unasked(name: str) -> bytes:
    """Nobody is there to be asked: a passphrase is read from its file, or the key counts as locked."""
    file = os.environ.get(PASSPHRASE_FILE)
    if not file:
        raise KeyLocked(
            f"key {name} is under a passphrase", hint=f"Put it into a file and name that in {PASSPHRASE_FILE}."
        )
    return read_passphrase(Path(file))


def _why_unsigned(ring: Keyring) -> tuple[str | None, bool]:
    try:
        ring.seed(ring.signer(("promoter",), "a promotion").name)
    except KeyLocked as error:
        return str(error), "passphrase" in str(error)
    except ReplicatorError as error:
        return str(error), False
    return None, False


def _opens(ring: Keyring, repository: Repository | None) -> tuple[bool | None, str | None]:
    """Open the newest manifest that is there. None where there is none, or it cannot be read for another reason."""
    if repository is None:
        return None, None
    try:
        newest = [view.in_order()[-1:] for name in repository.workloads()[:1] if (view := repository.log(name).view())]
        accepted = [each for some in newest for each in some]
        if not accepted:
            return None, None
        own = Repository(repository.name, repository.store, keys=ring, memory=ring.folder / SEEN)
        own.manifest(accepted[0].where.manifest)
    except (KeyAbsent, KeyLocked) as error:
        return False, str(error)
    except ReplicatorError as error:
        return None, str(error)  # told by who reads the repository
    return True, None
