"""How a repository may be opened with the keys at hand: what its `format.json` claims, judged by the trust file.

`format.json` is a hint. Without keys only what claims to be plain is opened; with keys only what their trust file lists,
under no less a suite than it demands.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from replicator.crypto.notary import KeyNotary
from replicator.crypto.suites import NONE
from replicator.errors import KeyAbsent
from replicator.log.notary import UNSIGNED
from replicator.repository.cipher import PLAIN
from replicator.repository.encryption import Encrypted
from replicator.repository.memory import ManifestMemory, default_memory
from replicator.repository.seen import Seen

if TYPE_CHECKING:
    from replicator.crypto.keyring import Keyring
    from replicator.log.notary import Notary
    from replicator.repository.cipher import Cipher
    from replicator.repository.format import Format
    from replicator.stores.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Access:
    notary: Notary
    cipher: Cipher
    seen: Seen | None = None


def _where_keys_are(url: str) -> str:
    """The folder where a local site has its own, if it is there; else where such folders are."""
    parts = urlsplit(url)
    beside = Path(unquote(parts.path)).parent / "keys"
    if parts.scheme == "file" and (beside / "trust.json").is_file():
        return f"The site's own are in {beside}: the same command with --keys '{beside}' (or DRSTACK_KEYS={beside})"
    return (
        "Name their folder: the same command with --keys FOLDER, or DRSTACK_KEYS=FOLDER. drstack keeps an environment's in "
        "keys/ENVIRONMENT below its root (DRSTACK_ROOT, else .drstack/local of the project), and a local site's in `keys` of its "
        "folder, beside `store`"
    )


def access_to(found: Format, store: ObjectStore, keys: Keyring | None, memory: Path | None) -> Access:
    """KeyAbsent, Untrusted."""
    claimed = found.suites.crypto
    if keys is None:
        if claimed != NONE:
            raise KeyAbsent(
                f"{store.url} is encrypted and signed ({claimed}), and no keys are at hand",
                hint=_where_keys_are(store.url),
            )
        return Access(UNSIGNED, PLAIN)
    suite = keys.trust.admit(found.repository, claimed, store.url)
    if suite == NONE:
        return Access(UNSIGNED, PLAIN)
    folder = memory / found.repository if memory else default_memory(found.repository)
    notary = KeyNotary(keys, repository=found.repository, suite=suite)
    return Access(notary, Encrypted(store, keys, suite, ManifestMemory(folder)), Seen(folder))
