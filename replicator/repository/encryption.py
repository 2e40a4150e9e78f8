"""The cipher of an encrypted repository: what a push sends, and what recipients read.

Every push draws a key of its own (replicator.crypto.vault) and stores it wrapped to each recipient before anything that
needs it. A writer without a recipient's key reads nothing back: what it leans on it remembers from its own pushes.
"""

from __future__ import annotations

import base64
import secrets
import threading
from typing import TYPE_CHECKING

from replicator.crypto import vault
from replicator.crypto.suites import suite_named
from replicator.crypto.suites.suite import Refused
from replicator.crypto.trust import LEAST_RECIPIENTS
from replicator.errors import DataCorrupt, KeyAbsent, KeyMissing, RecordCorrupt
from replicator.repository.manifest import Encryption, PackKey, keyed_name
from replicator.repository.packs import put_new

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replicator.crypto.keyring import Keyring
    from replicator.model import PackRef
    from replicator.repository.manifest import Block, Manifest
    from replicator.repository.memory import ManifestMemory
    from replicator.stores.store import ObjectStore


class EncryptedPush:
    """See `PushCipher`. Its key is wrapped and stored when the first pack or manifest needs it, and dies with it."""

    def __init__(self, store: ObjectStore, ring: Keyring, bound: vault.Bound, block_key: bytes) -> None:
        """`block_key` makes ids of blocks: the writer's own, or that of the manifest whose blocks are stored anew."""
        self._store = store
        self._ring = ring
        self._bound = bound
        self._suite = bound.suite
        self._key: vault.PushKey | None = None
        self._salt = b""
        self._pack_key = b""
        self._packs: dict[str, PackKey] = {}
        self._block_key = block_key
        self.overhead_bytes = self._suite.overhead_bytes

    def name(self, digest: str) -> str:
        return keyed_name(self._block_key, digest)

    def lean(self, base: Manifest) -> bool:
        told = base.encryption
        if told is None or told.block_key != self._block_key.hex() or told.workload != self._bound.workload:
            return False
        self._packs.update({pack.digest: key for pack, key in zip(base.packs, told.packs, strict=True)})
        return True

    def open_pack(self) -> bytes:
        key, self._salt = self._stored_key(), secrets.token_bytes(vault.SALT_BYTES)
        self._pack_key = vault.pack_key(self._suite, key.secret, self._salt)
        return vault.header(vault.PACK_MAGIC, self._bound, key.id, self._salt)

    def block(self, offset: int, name: str, coder: str, size_bytes: int, encoded: bytes) -> bytes:
        context = vault.block_context(self._bound, name, coder, size_bytes)
        return self._suite.encrypt(self._pack_key, offset, encoded, context)

    def put(self, store: ObjectStore, key: str, body: bytes) -> bool:
        return put_new(store, key, body)

    def close_pack(self, digest: str) -> PackKey:
        key = self._packs[digest] = PackKey(self._stored_key().id, self._salt.hex())
        return key

    def reuse_pack(self, digest: str, key: PackKey | None) -> bool:
        if key is not None:
            self._packs[digest] = key
        return key is not None

    def describe(self, packs: Sequence[PackRef]) -> Encryption:
        return Encryption(
            suite=self._suite.name, key=self._stored_key().id, workload=self._bound.workload,
            block_key=self._block_key.hex(), packs=tuple(self._packs[pack.digest] for pack in packs),
        )  # fmt: skip

    def manifest(self, encoded: bytes) -> bytes:
        return vault.seal_manifest(self._bound, self._stored_key(), encoded)

    def _stored_key(self) -> vault.PushKey:
        if self._key is None:
            key = vault.PushKey.draw(self._suite)
            for recipient in self._ring.trust.recipients():
                wrap_to(self._store, self._ring, self._suite.name, key, recipient.name)
            self._key = key
        return self._key


class Encrypted:
    """See `Cipher`."""

    def __init__(self, store: ObjectStore, ring: Keyring, suite: str, memory: ManifestMemory) -> None:
        self._store = store
        self._ring = ring
        self._suite = suite_named(suite)
        self._memory = memory
        self._secrets: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def readable(self) -> bool:
        return bool(self._ring.recipients())

    def begin(self, workload: str, salt: bytes) -> EncryptedPush:
        del salt
        writer = self._ring.seed(self._ring.signer(("writer",), "a push").name)
        block_key = self._suite.derive(writer, self._ring.trust.scope.encode(), "block ids")
        return EncryptedPush(self._store, self._ring, self._bound(workload), block_key)

    def anew(self, manifest: Manifest, salt: bytes) -> EncryptedPush:
        del salt
        told = manifest.encryption
        if told is None:
            raise DataCorrupt("a manifest in an encrypted repository says nothing of its key")
        push = EncryptedPush(self._store, self._ring, self._bound(told.workload), bytes.fromhex(told.block_key))
        push.lean(manifest)
        return push

    def remember(self, digest: str, encoded: bytes) -> None:
        self._memory.put(digest, encoded)

    def remembered(self, digest: str) -> bytes | None:
        return self._memory.get(digest)

    def open_manifest(self, stored: bytes, where: str) -> bytes:
        try:
            named, _ = vault.read_header(vault.MANIFEST_MAGIC, stored)
            if (named.get("suite"), named.get("environment")) != (self._suite.name, self._ring.trust.scope):
                raise DataCorrupt("it was encrypted under another suite, or for another family of repositories")
            return vault.open_manifest(self._suite, self.secret(str(named.get("key"))), stored)
        except (Refused, DataCorrupt) as error:
            raise DataCorrupt(f"{where}: {error}") from error

    def open_block(self, manifest: Manifest, block: Block, stored: bytes) -> bytes:
        key, context = self._key_and_context(manifest, block)
        try:
            return self._suite.decrypt(key, block.offset, stored, context)
        except Refused as error:
            raise DataCorrupt(str(error)) from error

    def block_again(self, manifest: Manifest, block: Block, encoded: bytes) -> bytes:
        """Under the very key and nonce that it had: to be shown to nobody unless the digest says that it is what was sent."""
        key, context = self._key_and_context(manifest, block)
        return self._suite.encrypt(key, block.offset, encoded, context)

    def heads_again(self, manifest: Manifest, pack: int) -> Iterator[bytes]:
        told = _told(manifest)
        key = told.packs[pack]
        yield vault.header(vault.PACK_MAGIC, self._bound(told.workload), key.key, bytes.fromhex(key.salt))

    def _key_and_context(self, manifest: Manifest, block: Block) -> tuple[bytes, bytes]:
        told = _told(manifest)
        pack = told.packs[block.pack]
        key = vault.pack_key(self._suite, self.secret(pack.key), bytes.fromhex(pack.salt))
        return key, vault.block_context(self._bound(told.workload), block.digest, block.coder, block.size_bytes)

    def for_peers(self, encoded: bytes, context: str) -> str:
        seed = self._ring.seed(self._ring.signer(("writer",), "a part").name)
        return base64.b64encode(vault.seal_part(self._suite, seed, context.encode(), encoded)).decode()

    def from_peer(self, sealed: str, context: str) -> bytes:
        seed = self._ring.seed(self._ring.signer(("writer",), "a part").name)
        try:
            return vault.open_part(self._suite, seed, context.encode(), base64.b64decode(sealed, validate=True))
        except (Refused, ValueError) as error:
            raise RecordCorrupt(
                f"{context}: its list of files is not for this writer's key: {error}",
                hint="All ranks of a workload at a site push with one writer key.",
            ) from error

    def missing_keys(self, keys: Sequence[str]) -> str | None:
        known = [key.name for key in self._ring.trust.keys if "recipient" in key.roles]
        for key in keys:
            held = [name for name in known if _is_there(self._store, vault.key_object(key, name))]
            if len(held) < LEAST_RECIPIENTS:
                return f"keys/{key} is there for {', '.join(held) or 'no recipient'} only"
        return None

    def secret(self, key: str) -> bytes:
        """The key-encryption key of this id, unwrapped by a recipient at hand. KeyAbsent, DataCorrupt."""
        with self._lock:
            if key not in self._secrets:
                self._secrets[key] = self._unwrap(key)
            return self._secrets[key]

    def _unwrap(self, key: str) -> bytes:
        here = [each.name for each in self._ring.recipients()]
        missing: list[str] = []
        for name in here:
            try:
                wrapped = self._store.get(vault.key_object(key, name))
            except KeyMissing:
                missing.append(name)
                continue
            info = vault.wrapping_info(self._suite, self._ring.trust.scope, key, name)
            try:
                secret = self._suite.unwrap(self._ring.seed(name), wrapped, info)
            except Refused as error:
                raise DataCorrupt(f"{vault.key_object(key, name)}: {error}") from error
            if vault.PushKey.of(self._suite, secret).id != key:
                raise DataCorrupt(f"{vault.key_object(key, name)} holds another key")
            return secret
        raise self._no_recipient(key, missing)

    def _no_recipient(self, key: str, missing: list[str]) -> KeyAbsent:
        url = self._store.url
        if missing:
            return KeyAbsent(
                f"{url}: keys/{key} is not wrapped to {', '.join(missing)}",
                hint="A recipient that was there from the first can wrap it: replicator keys add-recipient",
            )
        names = ", ".join(each.name for each in self._ring.trust.recipients())
        return KeyAbsent(f"{url} is encrypted, and {self._ring.folder} has the private key of no recipient ({names})")

    def _bound(self, workload: str) -> vault.Bound:
        return vault.Bound(self._suite, self._ring.trust.scope, workload)


def _told(manifest: Manifest) -> Encryption:
    if manifest.encryption is None:
        raise DataCorrupt("its manifest says nothing of its key")
    return manifest.encryption


def wrap_to(store: ObjectStore, ring: Keyring, suite: str, key: vault.PushKey, recipient: str) -> bool:
    """Store a key wrapped to a recipient of the trust file. False if it is there."""
    known, chosen = ring.trust.key(recipient), suite_named(suite)
    if known is None:
        raise KeyAbsent(f"the trust file knows no recipient {recipient}")
    info = vault.wrapping_info(chosen, ring.trust.scope, key.id, recipient)
    return put_new(store, vault.key_object(key.id, recipient), chosen.wrap(known.public, key.secret, info))


def _is_there(store: ObjectStore, key: str) -> bool:
    try:
        store.size(key)
    except KeyMissing:
        return False
    return True
