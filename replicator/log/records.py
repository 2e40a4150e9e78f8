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


def open_envelope(stored: bytes, where: str) -> dict[str, Any]:
    """The payload of an envelope. RecordCorrupt, naming `where`, if it is not one."""
    try:
        envelope = cast("dict[str, Any]", _parse(stored))
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise RecordCorrupt(f"{where}: payload type {envelope['payloadType']!r} is not one of ours")
        payload = _parse(base64.b64decode(envelope["payload"], validate=True))
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise RecordCorrupt(f"{where}: not a record ({error})") from error
    if not isinstance(payload, dict):
        raise RecordCorrupt(f"{where}: the payload is not an object")
    return cast("dict[str, Any]", payload)


def encode(
    log: str, n: int, previous: str | None, attempt: str, kind: str, at: float, body: Mapping[str, Any]
) -> bytes:
    """A record's bytes. `log` names the log it belongs to, so that a record copied elsewhere is told apart."""
    return seal_envelope(
        {"log": log, "n": n, "previous": previous, "attempt": attempt, "kind": kind, "at": at, "body": dict(body)}
    )


def decode(stored: bytes, log: str, n: int) -> Record:
    """The record in slot `n` of `log`. RecordCorrupt if it is unreadable, or belongs elsewhere."""
    where = f"{log}/{n}"
    payload = open_envelope(stored, where)
    try:
        record = Record(
            n=_typed(payload, "n", int),
            previous=None if payload["previous"] is None else _typed(payload, "previous", str),
            attempt=_typed(payload, "attempt", str),
            kind=_typed(payload, "kind", str),
            at=float(_typed(payload, "at", float, int)),
            body=_typed(payload, "body", dict),
            digest=digest(stored),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise RecordCorrupt(f"{where}: a field is missing or of the wrong type ({error})") from error
    if payload.get("log") != log or record.n != n:
        raise RecordCorrupt(f"{where}: holds the record of {payload.get('log')}/{record.n}")
    return record


def _parse(text: bytes) -> object:
    """JSON that every reader understands alike: no field twice, no NaN, no Infinity."""
    return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _typed(payload: Mapping[str, Any], name: str, *types: type) -> Any:
    value = payload[name]
    if type(value) not in types:
        raise TypeError(f"{name} is {type(value).__name__}")
    return value
