"""Keys over time: another recipient for what is stored already, and the end of a key that was lost or stolen.

Adding a recipient wraps keys anew and rewrites no data. Each step can be done again after an interruption.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.crypto import vault
from replicator.crypto.keyfile import make_key, read_key, write_key
from replicator.crypto.keyring import from_machine
from replicator.crypto.sheet import from_lines
from replicator.crypto.suites import NONE, suite_named
from replicator.crypto.suites.suite import SEED_BYTES
from replicator.crypto.trust import Revocation
from replicator.errors import KeyAbsent, KeyLocked, ReplicatorError
from replicator.repository.encryption import Encrypted, wrap_to
from replicator.repository.establish import open_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.crypto.keyring import Keyring
    from replicator.crypto.protection import Unlocking
    from replicator.crypto.roles import Role
    from replicator.crypto.trust import TrustedKey
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys of a repository a new recipient got now, and how many it had already."""

    url: str
    wrapped: int
    already: int


def family(ring: Keyring, memory: Path | None = None) -> list[Repository]:
    """The encrypted repositories that the trust file lists, by their URLs."""
    listed = [each for each in ring.trust.repositories if each.suite != NONE]
    opened = [open_at(each.url, ring, memory=memory) for each in listed]
    for each, repository in zip(listed, opened, strict=True):
        found = repository.format().repository
        if found != each.id:
            raise ReplicatorError(
                f"{each.url} holds repository {found}, not {each.id}, which the trust file lists there"
            )
    return opened


def create_key(
    ring: Keyring, name: str, roles: tuple[Role, ...], *, how: bytes | str | None, unlocking: Unlocking
) -> bytes:
    """Make a key, its file and its line in the trust file; the seed. What an interrupted try made is taken up again.

    ReplicatorError if the name is taken.
    """
    trust = ring.trust
    if trust.key(name) is not None:
        raise ReplicatorError(f"the trust file has a key {name} already", hint="Choose another name.")
    if name in ring.names():
        file = read_key(ring.folder, name)
        if (file.roles, file.scope) != (roles, trust.scope):
            raise ReplicatorError(f"{name}.key in {ring.folder} is another key", hint="Choose another name.")
        seed = file.seed(unlocking)
        public = make_key(
            name, roles, scope=trust.scope, suite=trust.suite, seed=seed, how=None, unlocking=unlocking
        )[1]  # fmt: skip
    else:
        seed = secrets.token_bytes(SEED_BYTES)
        made, public = make_key(
            name, roles, scope=trust.scope, suite=trust.suite, seed=seed, how=how, unlocking=unlocking
        )  # fmt: skip
        write_key(ring.folder, made)
    ring.replace(trust.with_key(public))
    return seed


def recover_key(ring: Keyring, name: str, lines: list[str], *, how: bytes | str | None = None) -> Path:
    """Make a recipient's key file from the lines of its sheet. KeyAbsent, KeyLocked where they are not its own."""
    known = ring.trust.key(name)
    if known is None:
        raise KeyAbsent(f"the trust file knows no recipient {name}", hint="replicator keys list shows them.")
    trust = ring.trust
    file, public = make_key(
        name,
        known.roles,
        scope=trust.scope,
        suite=trust.suite,
        seed=from_lines(lines),
        how=how,
        unlocking=from_machine(),
    )
    if public.public != known.public:
        raise KeyLocked(f"this is the sheet of another key than {name}", hint="Compare the fingerprint on it.")
    return write_key(ring.folder, file)


def rewrap(
    ring: Keyring, repository: Repository, recipient: str, progress: Callable[[int, int], None] | None = None
) -> Rewrapped:
    """Wrap every key of a repository to one more recipient. KeyAbsent without a recipient's private key.

    `progress` gets (done, of how many).
    """
    cipher = repository.cipher
    if not isinstance(cipher, Encrypted):
        return Rewrapped(repository.store.url, 0, 0)
    there: dict[str, set[str]] = {}
    for key in repository.store.list("keys"):
        _, identity, name = key.split("/")
        there.setdefault(identity, set()).add(name)
    suite = repository.format().suites.crypto
    wrapped = 0
    for done, (identity, names) in enumerate(sorted(there.items()), 1):
        if recipient not in names:
            secret = cipher.secret(identity)
            key = vault.PushKey.of(suite_named(suite), secret)
            wrapped += wrap_to(repository.store, ring, suite, key, recipient)
        if progress is not None:
            progress(done, len(there))
    return Rewrapped(repository.store.url, wrapped, len(there) - wrapped)


def revoke(ring: Keyring, name: str, reason: str, repositories: Sequence[Repository]) -> None:
    """End a key, in the trust file. What it signed stands up to where each log is now, and nothing after.

    StoreError where a repository of the family cannot be read: where its logs are has to be known.
    """
    key = ring.trust.key(name)
    if key is None:
        raise KeyAbsent(f"the trust file knows no key {name}", hint="replicator keys list shows them.")
    if key.revoked is not None:
        return
    through: dict[str, int] = {}
    for repository in repositories:
        identity = repository.format().repository
        for workload in repository.workloads():
            through[f"{identity}/log/{workload}"] = repository.log(workload).view().slots
        for log, slots in _small_logs(repository, key).items():
            through[f"{identity}/{log}"] = slots
    ended = Revocation(at=time.time(), reason=reason, through=through)
    ring.replace(ring.trust.with_key(key.model_copy(update={"revoked": ended})))


def _small_logs(repository: Repository, key: TrustedKey) -> dict[str, int]:
    """How far receipts and restores reach that a key of these roles may have signed, by their logs' names."""
    below = [kind for kind, role in (("receipts", "verifier"), ("restores", "recipient")) if role in key.roles]
    found: dict[str, int] = {}
    for kind in below:
        for each in repository.store.list(kind):
            log, _, n = each.rpartition("/")
            if n.isdigit():
                found[log] = max(found.get(log, 0), int(n))
    return found
