"""Parsers of what is signed or encrypted, of the witness, of keys, of configuration, and of a process's own files.

A file of our own may be cut by a power loss, or written by another version; a store and a witness may be hostile.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import DrstackError
from drstack.kit.manifest import NAME as KIT_NAME
from drstack.kit.manifest import read as read_kit
from drstack.proving.losses import LossesUnreadable
from drstack.proving.losses import parse as parse_losses
from drstack.witness.witness import Witness
from replicator.codec.plain import decode as decode_block
from replicator.consistency.config import read_point
from replicator.crypto.keyfile import read_key
from replicator.crypto.keyring import Keyring
from replicator.crypto.protection import Unlocking
from replicator.crypto.sheet import from_lines
from replicator.crypto.suites import suite_named
from replicator.crypto.trust import FILE, read_trust
from replicator.crypto.vault import wrapping_info
from replicator.errors import KeyLocked, KeyMissing, ReplicatorError
from replicator.log.records import parse_envelope
from replicator.repository.heads import HeadMemory
from replicator.repository.manifest import decode as decode_manifest
from replicator.repository.progress import KeptProgress
from replicator.repository.receipts import Receipts
from replicator.repository.repository import Repository
from replicator.repository.scrub import load
from replicator.repository.seen import Seen
from replicator.service.acknowledged import Words
from replicator.service.config import read_config
from replicator.service.spool import Spool, read_entries
from replicator.stores.address import bucket_address
from replicator.stores.local import LocalStore
from replicator.train.notices.aws import AwsNotices
from replicator.train.notices.azure import AzureNotices
from replicator.versions.asking import Unknown
from replicator.versions.data import _load, _outs  # pyright: ignore[reportPrivateUsage]
from replicator.versions.document import decode as decode_document
from replicator.versions.registry import _version_of  # pyright: ignore[reportPrivateUsage]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDEN = Path(__file__).parents[2] / "golden"
SIGNED = "log/gpt/" + f"{1:020d}"


class Told(LocalStore):
    """The golden encrypted repository, in which one object holds other bytes."""

    def __init__(self, root: Path, key: str, body: bytes) -> None:
        super().__init__(root)
        self._key, self._body = key, body

    def get(self, key: str) -> bytes:
        return self._body if key == self._key else super().get(key)


class Single:
    """A store that has one object under whatever key below `within` is asked for first, and none but that."""

    url = "fuzz:"

    def __init__(self, body: bytes, listed: str = "", *, within: str = "") -> None:
        self._body, self._listed, self._asked, self._within = body, listed, None, within

    def get(self, key: str) -> bytes:
        if self._asked not in (None, key) or not key.startswith(self._within):
            raise KeyMissing(key)
        self._asked = key
        return self._body

    def list(self, prefix: str) -> Iterator[str]:
        return iter([self._listed] if self._listed.startswith(prefix) else [])


@functools.cache
def encrypted() -> tuple[Path, Keyring]:
    """The golden encrypted repository and all of its keys, readable as keys must be."""
    folder = Path(tempfile.mkdtemp(prefix="drstack-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(GOLDEN / "encrypted", folder, dirs_exist_ok=True)
    for path in (folder / "keys").glob("*.key"):
        path.chmod(0o600)
    return folder, Keyring(folder / "keys")


@functools.cache
def first(prefix: str) -> str:
    """The first key below it in the golden encrypted repository."""
    return min(LocalStore(encrypted()[0] / "repository").list(prefix))


def _opened(key: str, body: bytes) -> Repository:
    folder, ring = encrypted()
    return Repository("west", Told(folder / "repository", key, body), keys=ring)  # pyright: ignore[reportArgumentType]


def envelope(body: bytes, _: Path) -> None:
    parse_envelope(body, "fuzz")


def signed_record(body: bytes, _: Path) -> None:
    _opened(SIGNED, body).log("gpt").view()


def sealed_manifest(body: bytes, _: Path) -> None:
    key = first("manifests")
    repository = _opened(key, body)
    decode_manifest(repository.cipher.open_manifest(body, key), key)


def wrapped_key(body: bytes, _: Path) -> None:
    key = first("keys")
    _, ident, recipient = key.split("/")
    _, ring = encrypted()
    suite = suite_named(ring.trust.suite)
    try:
        suite.unwrap(ring.seed(recipient), body, wrapping_info(suite, ring.trust.scope, ident, recipient))
    except Exception as error:
        if type(error).__name__ != "Refused":
            raise
        raise KeyLocked("refused") from error


def peers_part(body: bytes, _: Path) -> None:
    _opened("none", b"").cipher.from_peer(body.decode("latin-1"), "parts/x")


def block(body: bytes, _: Path) -> None:
    """Its coder and the size that a manifest says come first: a manifest of a plain repository may be hostile too."""
    coder, size = ("raw", "zstd", "other")[body[0] % 3] if body else "raw", int.from_bytes(body[1:7], "little")
    assert len(decode_block(coder, body[7:], size)) == size


def receipt(body: bytes, _: Path) -> None:
    store = Single(body, listed=f"receipts/gpt/{2:020d}/decoded/west/{1:020d}")
    said = Receipts(store, clock=lambda: 0.0, token=lambda: "t", record_of=lambda _w, _s: "r")  # pyright: ignore[reportArgumentType]
    said.levels("gpt", 2, ("decoded",))
    said.damaged("gpt", 2)
    said.failed("gpt", 2)
    said.drilled_at("gpt", 2)


def key_file(body: bytes, folder: Path) -> None:
    path = folder / "writer.key"
    path.write_bytes(body)
    path.chmod(0o600)

    def no_kms(_: str):
        raise KeyLocked("no KMS here")

    read_key(folder, "writer").seed(Unlocking(passphrase=lambda _: b"secret", kms=no_kms))


def trust_file(body: bytes, folder: Path) -> None:
    (folder / FILE).write_bytes(body)
    read_trust(folder)


def sheet(body: bytes, _: Path) -> None:
    from_lines(body.decode("utf-8", "replace").splitlines())


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    def check(body: bytes, folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        read(path)

    return check


def spool_entry(body: bytes, folder: Path) -> None:
    """One that cannot be read is trouble, told, and no exception."""
    entry = folder / "spool-entries" / "1.1-a"
    entry.mkdir(parents=True, exist_ok=True)
    (entry / "push.json").write_bytes(body)
    read_entries(entry.parent)


def spool_memory(path: Path) -> None:
    spool = Spool(path.parent)
    for term in (1, 2):
        spool.last_height(term), spool.reserved(term), spool.newest(term), spool.numbers(term)
    spool.knows("s")


def head_memory(body: bytes, folder: Path) -> None:
    there = Repository("west", LocalStore(GOLDEN / "repository"))
    (folder / f"{there.format().repository}.json").write_bytes(body)
    HeadMemory(folder).of(there, "gpt")


def seen(path: Path) -> None:
    Seen(path.parent).of("gpt")


def assignment(body: bytes, _: Path) -> None:
    store = Single(body, within="env/assignments/")
    witness = Witness(store, "env", clock=lambda: 0.0, token=lambda: "t")  # pyright: ignore[reportArgumentType]
    for each in witness.assignments():
        for name in each.workloads:
            each.opening(name)


def witness_format(body: bytes, _: Path) -> None:
    Witness(Single(body), "env", clock=lambda: 0.0, token=lambda: "t").environment_id()  # pyright: ignore[reportArgumentType]


def descriptor(body: bytes, _: Path) -> None:
    Witness(Single(body), "env", clock=lambda: 0.0, token=lambda: "t").descriptor("east")  # pyright: ignore[reportArgumentType]


def journal(body: bytes, _: Path) -> None:
    operation = Witness(Single(body), "env", clock=lambda: 0.0, token=lambda: "t").journal(1, 1)  # pyright: ignore[reportArgumentType]
    operation.plan(), operation.ended(), operation.outcome("seal")


def url(body: bytes, _: Path) -> None:
    bucket_address("s3://" + body.decode("utf-8", "replace"))


class Answers:
    """A cloud's metadata service that says the same whatever it is asked."""

    def __init__(self, body: bytes) -> None:
        self._text = body.decode("utf-8", "replace")

    def get(self, *_: object) -> str:
        return self._text

    put = get


def aws_notice(body: bytes, _: Path) -> None:
    AwsNotices(service=Answers(body)).look()  # pyright: ignore[reportArgumentType]


def azure_notice(body: bytes, _: Path) -> None:
    AzureNotices(service=Answers(body)).look()  # pyright: ignore[reportArgumentType]


def dvc(path: Path) -> None:
    list(_outs(_load(path), path.name))


def mlflow_meta(body: bytes, folder: Path) -> None:
    path = folder / "models" / "m" / "version-1" / "meta.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    _version_of(folder, "0" * 32)


def versions(body: bytes, _: Path) -> None:
    decode_document(body, "fuzz")


STATE_TARGETS: dict[str, tuple[Callable[[bytes, Path], None], type[Exception] | tuple[type[Exception], ...]]] = {
    "envelope": (envelope, ReplicatorError),
    "signed-record": (signed_record, ReplicatorError),
    "sealed-manifest": (sealed_manifest, ReplicatorError),
    "wrapped-key": (wrapped_key, KeyLocked),
    "peers-part": (peers_part, ReplicatorError),
    "block": (block, ReplicatorError),
    "receipt": (receipt, ReplicatorError),
    "key-file": (key_file, ReplicatorError),
    "trust-file": (trust_file, ReplicatorError),
    "recovery-sheet": (sheet, ReplicatorError),
    "service-config": (in_file("config.json", read_config), ReplicatorError),
    "point-file": (in_file("point.json", read_point), ReplicatorError),
    "spool-entry": (spool_entry, ()),
    "spool-memory": (in_file("spool/memory.json", spool_memory), ReplicatorError),
    "push-progress": (in_file("packs-west", KeptProgress), ()),
    "scrub-place": (in_file("scrub.json", load), ReplicatorError),
    "head-memory": (head_memory, ReplicatorError),
    "seen": (in_file("seen-gpt.json", seen), ()),
    "word": (in_file(".acknowledged/s.json", lambda path: Words(path.parents[1]).told("s")), ReplicatorError),
    "assignment": (assignment, DrstackError),
    "witness-format": (witness_format, DrstackError),
    "descriptor": (descriptor, DrstackError),
    "journal": (journal, DrstackError),
    "kit-manifest": (in_file(KIT_NAME, lambda path: read_kit(path.parent)), DrstackError),
    "losses": (lambda body, _: parse_losses(body) and None, LossesUnreadable),
    "store-url": (url, ReplicatorError),
    "aws-notice": (aws_notice, ReplicatorError),
    "azure-notice": (azure_notice, ReplicatorError),
    "dvc-file": (in_file("data.dvc", dvc), Unknown),
    "mlflow-meta": (mlflow_meta, Unknown),
    "versions": (versions, ReplicatorError),
}
