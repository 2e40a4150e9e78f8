"""Signs records and judges them: both signatures, the role for the kind of entry, and what the record is bound to.

A signed payload names suite, family (or environment) and repository beside its log and slot, so that a record of one
repository is none of another's. *What* is signed without the repository: a copy of it stands anywhere in the family.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from replicator.crypto.roles import WHAT, signers
from replicator.crypto.statements import pae, sign_with, signer_of
from replicator.crypto.suites import suite_named
from replicator.errors import KeyRevoked, SignatureRefused
from replicator.log.notary import Opened, Signatures
from replicator.log.records import PAYLOAD_TYPE, canonical, parse_envelope, payload_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.crypto.keyring import Keyring
    from replicator.crypto.trust import TrustedKey
    from replicator.model import What

WHAT_TYPE = "application/vnd.drstack.what+json"


class KeyNotary:
    """The notary of one repository, by the trust file and the keys of a ring."""

    def __init__(self, ring: Keyring, *, repository: str, suite: str) -> None:
        self._ring = ring
        self._suite = suite_named(suite)
        self._binding = {"suite": suite, "environment": ring.trust.scope, "repository": repository}

    def seal(
        self, payload: Mapping[str, Any], kind: str, *, among: Iterable[str] | None = None, of: str = PAYLOAD_TYPE
    ) -> bytes:
        roles = signers(kind, payload.get("body", {}))
        key = self._ring.signer(roles, f"a {kind}", among)
        body = canonical({**payload, **self._binding})
        signed = [each.model_dump() for each in self._sign(key, pae(of, body))]
        return canonical({"payloadType": of, "payload": base64.b64encode(body).decode(), "signatures": signed})

    def open(self, stored: bytes, where: str, *, kind: str | None = None, of: str = PAYLOAD_TYPE) -> Opened:
        envelope = parse_envelope(stored, where)
        payload = payload_in(envelope, where, of)
        key = self._signer(list(envelope.signatures), pae(of, envelope.payload), where)
        for name, value in self._binding.items():
            if payload.get(name) != value:
                raise SignatureRefused(f"{where}: is of {name} {payload.get(name)!r}, not {value!r}")
        said = kind or str(payload.get("kind"))
        body: object = payload.get("body")
        roles = signers(said, body if isinstance(body, dict) else {})  # pyright: ignore[reportUnknownArgumentType]
        if not set(roles) & set(key.roles):
            raise SignatureRefused(f"{where}: key {key.name} is {' and '.join(key.roles)}, and signed a {said}")
        self._require_unrevoked(key, payload, where)
        return Opened(payload, key.name)

    def vouch(self, what: What, *, among: Iterable[str] | None = None) -> Signatures:
        key = self._ring.signer(signers(WHAT, {}), "a checkpoint", among)
        return self._sign(key, self._said(what))

    def vouched(self, what: What, signatures: Signatures, where: str) -> str | None:
        try:
            given = [(each.keyid, base64.b64decode(each.sig, validate=True)) for each in signatures]
        except ValueError as error:
            raise SignatureRefused(f"{where}: a signature over its checkpoint is not base64") from error
        key = self._signer(given, self._said(what), f"{where}, its checkpoint")
        if not set(signers(WHAT, {})) & set(key.roles):
            raise SignatureRefused(
                f"{where}: key {key.name} is {' and '.join(key.roles)}, and vouched for a checkpoint"
            )
        return key.name

    def promoters(self) -> tuple[str, ...]:
        return tuple(key.name for key in self._ring.trust.keys if "promoter" in key.roles)

    def _said(self, what: What) -> bytes:
        bound = {name: self._binding[name] for name in ("suite", "environment")}
        return pae(WHAT_TYPE, canonical({**bound, "what": what.model_dump(mode="json")}))

    def _sign(self, key: TrustedKey, message: bytes) -> Signatures:
        return sign_with(self._ring, self._suite, key, message)

    def _signer(self, given: list[tuple[str, bytes]], message: bytes, where: str) -> TrustedKey:
        """The one key that made all of the signatures."""
        return signer_of(self._ring.trust, self._suite, given, message, where)

    def _require_unrevoked(self, key: TrustedKey, payload: Mapping[str, Any], where: str) -> None:
        """A revoked key's records in a log stand up to the slot that the log had reached then, and nowhere else."""
        if key.revoked is None:
            return
        last = key.revoked.through.get(f"{self._binding['repository']}/{payload.get('log')}", 0)
        n: object = payload.get("n")
        if not isinstance(n, int) or n > last:
            raise KeyRevoked(f"{where}: key {key.name} was revoked before it ({key.revoked.reason})")
