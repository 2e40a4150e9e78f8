"""Turning real files into files that nobody wrote. The same seed makes the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    b"NaN", b"-1", b"1e999", b"null", b"true", b"[]", b"{}", b'""', b"-0", b"9" * 40, b'"\\ud800"', b'"../../x"',
    b"[" * 2000, b'{"a":' * 500, b"\xff\xfe", b"\x00",
)  # fmt: skip


def flip(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    body[_at(rng, body)] ^= 1 << rng.randrange(8)


def number(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    """An integer that parsers stumble over, at any place, in any width and order of bytes."""
    width, at = rng.choice((1, 2, 4, 8)), _at(rng, body)
    value = rng.choice(NUMBERS) % (1 << 8 * width)
    body[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))


def text(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    at = _at(rng, body)
    body[at : at + rng.randrange(12)] = rng.choice(TEXTS)


def digits(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    """One run of decimal digits becomes another number."""
    at = next((i for i in range(_at(rng, body), len(body)) if 48 <= body[i] < 58), None)
    if at is not None:
        end = at
        while end < len(body) and 48 <= body[end] < 58:
            end += 1
        body[at:end] = str(rng.choice((*NUMBERS, -1, 2**200))).encode()


def cut(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    at = _at(rng, body)
    del body[at : at + rng.choice((1, 2, 8, 100, len(body)))]


def double(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    at = _at(rng, body)
    piece = body[at : at + rng.randrange(1, 200)]
    body[at:at] = piece * rng.choice((1, 2, 50))


def splice(rng: random.Random, body: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    if other:
        start = rng.randrange(len(other))
        at = _at(rng, body)
        body[at : at + rng.randrange(100)] = other[start : start + rng.randrange(1, 400)]


def swap(rng: random.Random, body: bytearray, _: Sequence[bytes]) -> None:
    one, two, size = _at(rng, body), _at(rng, body), rng.randrange(1, 64)
    first, second = body[one : one + size], body[two : two + size]
    body[one : one + size], body[two : two + size] = second, first


MUTATIONS: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    flip, number, text, digits, cut, double, splice, swap,
)  # fmt: skip
MAX_BYTES = 1 << 20


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds` after one to six mutations; now and then bytes that come from no file at all."""
    if rng.random() < 0.01:
        return rng.randbytes(rng.randrange(200))
    body = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        rng.choice(MUTATIONS)(rng, body, seeds)
    return bytes(body[:MAX_BYTES])


def _at(rng: random.Random, body: bytearray) -> int:
    """Anywhere; headers and directories, at the two ends, more often. An empty body grows first."""
    if not body:
        body += b"\0"
    near = rng.randrange(min(len(body), 600))
    return rng.choice((rng.randrange(len(body)), near, len(body) - 1 - near))
