"""The bytes of a record: canonical JSON in a DSSE envelope, named by the BLAKE3 of those bytes.

Envelope and payload type follow the Dead Simple Signing Envelope (DSSE 1.0.2). With suite `none` the list of
signatures is empty; a later suite fills it without changing anything else (docs/format.md).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from blake3 import blake3

from replicator.errors import RecordCorrupt
from replicator.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

PAYLOAD_TYPE = "application/vnd.drstack.record+json"


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log. `previous` is the digest of slot n-1, None at 1; `at` (unix seconds) is for people only."""

    n: int
    previous: str | None
    attempt: str
    kind: str
    at: float
    body: Mapping[str, Any]
    digest: str
    signer: str | None = None
    """The name of the key that signed it; None under suite `none`."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope, taken apart but not judged. `payload` is what its signatures are over."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """(keyid, signature) of each."""


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8; floats as Python's shortest repr. Two equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(body: bytes) -> str:
    """BLAKE3, 64 hex digits."""
    return blake3(body).hexdigest()


def seal_envelope(payload: object) -> bytes:
    """An envelope around `payload`, unsigned (suite `none`)."""
    encoded = base64.b64encode(canonical(payload)).decode()
    return canonical({"payloadType": PAYLOAD_TYPE, "payload": encoded, "signatures": []})


def parse_envelope(stored: bytes, where: str) -> Envelope:
    """Take an envelope apart. RecordCorrupt, naming `where`, if it is not one."""
    try:
        outer = cast("dict[str, Any]", parse_json(stored))
        signatures = tuple(
            (str(each["keyid"]), base64.b64decode(each["sig"], validate=True)) for each in outer["signatures"]
        )
        payload = base64.b64decode(outer["payload"], validate=True)
        return Envelope(_typed(outer, "payloadType", str), payload, signatures)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise RecordCorrupt(f"{where}: not a record ({error})") from error


def open_envelope(stored: bytes, where: str, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """The payload of an envelope, its signatures not looked at. RecordCorrupt, naming `where`, if it is not one."""
    return payload_in(parse_envelope(stored, where), where, payload_type)


def payload_in(envelope: Envelope, where: str, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """The payload of an envelope that was taken apart, its signatures not looked at. RecordCorrupt."""
    if envelope.payload_type != payload_type:
        raise RecordCorrupt(f"{where}: payload type {envelope.payload_type!r} is not one of ours")
    try:
        payload = parse_json(envelope.payload)
    except (ValueError, RecursionError) as error:
        raise RecordCorrupt(f"{where}: not a record ({error})") from error
    if not isinstance(payload, dict):
        raise RecordCorrupt(f"{where}: the payload is not an object")
    return cast("dict[str, Any]", payload)


def payload_of(
    log: str, n: int, previous: str | None, attempt: str, kind: str, at: float, body: Mapping[str, Any]
) -> dict[str, Any]:
    """What a record says. `log` names the log it belongs to, so that a record copied elsewhere is told apart."""
    return {"log": log, "n": n, "previous": previous, "attempt": attempt, "kind": kind, "at": at, "body": dict(body)}


def encode(
    log: str, n: int, previous: str | None, attempt: str, kind: str, at: float, body: Mapping[str, Any]
) -> bytes:
    """A record's bytes under suite `none`."""
    return seal_envelope(payload_of(log, n, previous, attempt, kind, at, body))


def decode(stored: bytes, log: str, n: int) -> Record:
    """The record in slot `n` of `log` under suite `none`. RecordCorrupt if it is unreadable, or belongs elsewhere."""
    return record_of(open_envelope(stored, f"{log}/{n}"), digest(stored), log, n)


def record_of(payload: Mapping[str, Any], named: str, log: str, n: int, signer: str | None = None) -> Record:
    """The record that a payload is, whose envelope has digest `named`. RecordCorrupt if it belongs elsewhere."""
    where = f"{log}/{n}"
    try:
        record = Record(
            n=_typed(payload, "n", int),
            previous=None if payload["previous"] is None else _typed(payload, "previous", str),
            attempt=_typed(payload, "attempt", str),
            kind=_typed(payload, "kind", str),
            at=float(_typed(payload, "at", float, int)),
            body=_typed(payload, "body", dict),
            digest=named,
            signer=signer,
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise RecordCorrupt(f"{where}: a field is missing or of the wrong type ({error})") from error
    if payload.get("log") != log or record.n != n:
        raise RecordCorrupt(f"{where}: holds the record of {payload.get('log')}/{record.n}")
    return record


def _typed(payload: Mapping[str, Any], name: str, *types: type) -> Any:
    value = payload[name]
    if type(value) not in types:
        raise TypeError(f"{name} is {type(value).__name__}")
    return value
