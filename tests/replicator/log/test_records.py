"""The bytes of a record: what is read back is what was written, and everything else blocks."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import RecordCorrupt
from replicator.log.records import PAYLOAD_TYPE, canonical, decode, digest, encode

LOG = "log/gpt"
GOOD = {"log": LOG, "n": 3, "previous": "ab" * 32, "attempt": "t", "kind": "seal", "at": 1.5, "body": {"term": 1}}
finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | finite | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def envelope(record: object, **changes: object) -> bytes:
    encoded = base64.b64encode(json.dumps(record).encode()).decode()
    return json.dumps({"payloadType": PAYLOAD_TYPE, "payload": encoded, "signatures": [], **changes}).encode()


@given(
    n=st.integers(1, 10**19),
    previous=st.none() | st.text(),
    attempt=st.text(),
    kind=st.text(),
    at=st.floats(allow_nan=False, allow_infinity=False),
    body=st.dictionaries(st.text(), values, max_size=4),
)
def test_a_record_reads_back_as_it_was_written(
    n: int, previous: str | None, attempt: str, kind: str, at: float, body: dict[str, object]
) -> None:
    stored = encode(LOG, n, previous, attempt, kind, at, body)
    record = decode(stored, LOG, n)
    assert (record.n, record.previous, record.attempt, record.kind, record.at) == (n, previous, attempt, kind, at)
    assert record.body == json.loads(json.dumps(body))
    assert record.digest == digest(stored)


@given(values)
def test_equal_values_have_equal_bytes_whatever_the_order_of_their_fields(value: object) -> None:
    again = json.loads(canonical(value))
    assert canonical(again) == canonical(value)
    assert canonical({"b": value, "a": 1}) == canonical(dict(reversed([("b", value), ("a", 1)])))


def test_numbers_that_json_cannot_say_are_refused_when_writing() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(LOG, 1, None, "t", "drop", 0.0, {"bytes_after": float("nan")})


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"log": "log/other"}, "of another log"),
        ({"n": 4}, "of another slot"),
        ({"n": "3"}, "n as text"),
        ({"n": 3.0}, "n as a fraction"),
        ({"n": True}, "n as a truth value"),
        ({"n": float("inf")}, "n without end"),
        ({"at": 10**400}, "a time beyond any clock"),
        ({"at": "now"}, "a time in words"),
        ({"previous": 7}, "previous as a number"),
        ({"attempt": None}, "no attempt"),
        ({"kind": 1}, "kind as a number"),
        ({"body": [["term", 1]]}, "a body that is a list"),
        ({"body": None}, "no body"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_blocks(change: dict[str, object], name: str) -> None:
    assert decode(envelope(GOOD), LOG, 3).kind == "seal"
    with pytest.raises(RecordCorrupt, match=f"{LOG}/3"):
        decode(envelope({**GOOD, **change}), LOG, 3)


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_blocks(field: str) -> None:
    with pytest.raises(RecordCorrupt):
        decode(envelope({name: value for name, value in GOOD.items() if name != field}), LOG, 3)


@pytest.mark.parametrize(
    "stored",
    [
        b"", b"{}", b"[]", b"null", b"\xff\xfe", b"0" * 5000, b"[" * 100_000, b'{"a":' * 100_000,
        envelope(GOOD)[:-1], envelope(GOOD, payloadType="application/json"), envelope(GOOD, payload="not base64!"),
        envelope(GOOD, payload=None), envelope(GOOD, payload=base64.b64encode(b"[" * 100_000).decode()),
        envelope([]), envelope("x"), envelope(None),
        *(envelope(GOOD).decode().encode(coding) for coding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig")),
        *(
            envelope(GOOD, payload=base64.b64encode(json.dumps(GOOD).encode(coding)).decode())
            for coding in ("utf-16", "utf-32-be", "utf-8-sig")
        ),
    ],
)  # fmt: skip
def test_what_is_no_record_blocks_and_crashes_nothing(stored: bytes) -> None:
    with pytest.raises(RecordCorrupt):
        decode(stored, LOG, 3)


@pytest.mark.parametrize("payload", [
    b'{"log":"log/gpt","n":3,"n":3,"previous":null,"attempt":"t","kind":"seal","at":1,"body":{}}',
    b'{"log":"log/gpt","n":3,"previous":null,"attempt":"t","kind":"seal","at":1,"body":{"term":1,"term":2}}',
    b'{"log":"log/gpt","n":3,"previous":null,"attempt":"t","kind":"seal","at":NaN,"body":{}}',
    b'{"log":"log/gpt","n":3,"previous":null,"attempt":"t","kind":"drop","at":1,"body":{"bytes_after":-Infinity}}',
])  # fmt: skip
def test_what_two_readers_could_understand_differently_blocks(payload: bytes) -> None:
    encoded = base64.b64encode(payload).decode()
    stored = json.dumps({"payloadType": PAYLOAD_TYPE, "payload": encoded, "signatures": []}).encode()
    with pytest.raises(RecordCorrupt):
        decode(stored, LOG, 3)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()) | values.map(envelope))
def test_no_bytes_do_anything_but_block(stored: bytes) -> None:
    with pytest.raises(RecordCorrupt):
        decode(stored, LOG, 3)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_of_a_record_goes_unnoticed_by_the_next_link(position: int, bit: int) -> None:
    stored = bytearray(encode(LOG, 3, "ab" * 32, "t", "seal", 1.5, {"term": 1, "reason": "x"}))
    before = digest(bytes(stored))
    stored[position % len(stored)] ^= 1 << bit
    try:
        assert decode(bytes(stored), LOG, 3).digest != before
    except RecordCorrupt:
        return
