"""The keys of an environment as an operator has them, and which of them an assignment lists.

Invariant: whom to trust is said by the operator's own trust file, never by a store, a witness or a site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.spec.keys import keys_folder, site_of
from replicator.crypto.keyfile import SUFFIX, read_key
from replicator.crypto.keyring import Keyring
from replicator.crypto.trust import FILE
from replicator.errors import KeyAbsent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drstack.spec import Environment
    from replicator.crypto.protection import Unlocking
    from replicator.crypto.trust import Trust, TrustedKey

SEEN = "seen"
"""Below the keys: how far this operator has seen each log, so that one that was rolled back is noticed."""
SITES = "sites"
"""Below the keys: what each site gets when it is made."""


def open_keys(
    environment: Environment, root: Path, *, also: Sequence[Path] = (), unlocking: Unlocking | None = None
) -> Keyring | None:
    """The operator's keys; None where nothing is encrypted. KeyAbsent, Untrusted, with what to do."""
    folder = keys_folder(environment, root)
    return None if folder is None else open_folder(folder, environment.environment, also=also, unlocking=unlocking)


def open_folder(
    folder: Path, environment: str, *, also: Sequence[Path] = (), unlocking: Unlocking | None = None
) -> Keyring:
    """The keys of `environment` in this folder. KeyAbsent where there is no trust file."""
    if not (folder / FILE).is_file():
        raise KeyAbsent(
            f"environment {environment} is encrypted, and {folder} holds no {FILE}",
            hint=f"A new one: drstack keys make {environment}. One that stands: copy its {FILE} and promoter.key there, "
            "or name the folder that has them in DRSTACK_KEYS.",
        )
    return Keyring(folder, also=also, unlocking=unlocking)


def listed(trust: Trust, writer: str) -> tuple[str, ...]:
    """Names of the keys whose signatures count in a term that `writer` writes: its writer's, every keeper's and verifier's."""
    return tuple(sorted(key.name for key in trust.keys if key.revoked is None and _counts(key, writer)))


def _counts(key: TrustedKey, writer: str) -> bool:
    return ("writer" in key.roles and site_of(key.name) == writer) or bool({"keeper", "verifier"} & set(key.roles))


def private_parts(keys: Keyring | None) -> frozenset[str]:
    """What stands in the private keys' files of an operator's folder, to be looked for where it must not be."""
    if keys is None:
        return frozenset()
    found = [read_key(path.parent, path.name.removesuffix(SUFFIX)) for path in keys.folder.rglob(f"*{SUFFIX}")]
    return frozenset(each.secret for each in found)
