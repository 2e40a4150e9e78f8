"""The port through which records are signed and judged. Without a suite nothing is signed (`Unsigned`).

Invariant of every notary: what it opens says who signed it, or nobody had to; what does not hold is an error, so that
the record blocks its log and is never skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from replicator.errors import KeyAbsent
from replicator.log.records import PAYLOAD_TYPE, parse_envelope, payload_in, seal_envelope
from replicator.model import Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.model import What

Signatures = tuple[Signature, ...]


class Opened(NamedTuple):
    """`signer`: the name of the key that signed; None where nothing is signed."""

    payload: dict[str, Any]
    signer: str | None


class Notary(Protocol):
    """`among`: the names of the keys that may sign, where the term's assignment lists any."""

    def seal(
        self, payload: Mapping[str, Any], kind: str, *, among: Iterable[str] | None = None, of: str = PAYLOAD_TYPE
    ) -> bytes:
        """The envelope around a payload of `kind`. KeyAbsent without a key that may sign it."""
        ...

    def open(self, stored: bytes, where: str, *, kind: str | None = None, of: str = PAYLOAD_TYPE) -> Opened:
        """The payload and its signer. RecordCorrupt, SignatureRefused. `kind` is the payload's own if None."""
        ...

    def vouch(self, what: What, *, among: Iterable[str] | None = None) -> Signatures:
        """The writer's signatures over *what*, apart from where it lies."""
        ...

    def vouched(self, what: What, signatures: Signatures, where: str) -> str | None:
        """Who vouched for *what*. SignatureRefused where nobody did who may."""
        ...

    def promoters(self) -> tuple[str, ...]:
        """Names of the keys that may copy an older commit into any term."""
        ...


class Unsigned:
    """Suite `none`. Refuses what is signed: its reader has to know the keys, or would take a forger's word."""

    def seal(
        self, payload: Mapping[str, Any], kind: str, *, among: Iterable[str] | None = None, of: str = PAYLOAD_TYPE
    ) -> bytes:
        del kind, among, of
        return seal_envelope(payload)

    def open(self, stored: bytes, where: str, *, kind: str | None = None, of: str = PAYLOAD_TYPE) -> Opened:
        del kind, of
        envelope = parse_envelope(stored, where)
        if envelope.signatures:
            raise KeyAbsent(f"{where} is signed, and no keys are at hand to judge it by")
        return Opened(payload_in(envelope, where), None)

    def vouch(self, what: What, *, among: Iterable[str] | None = None) -> Signatures:
        del what, among
        return ()

    def vouched(self, what: What, signatures: Signatures, where: str) -> str | None:
        del what
        if signatures:
            raise KeyAbsent(f"{where} is signed, and no keys are at hand to judge it by")
        return None

    def promoters(self) -> tuple[str, ...]:
        return ()


UNSIGNED = Unsigned()
