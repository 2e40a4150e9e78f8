"""The recovery sheet: a recipient's seed on paper, in four lines that each carry their own check.

A line is 8 bytes of the seed and 2 bytes of BLAKE3 over its number and those bytes, in Crockford's base 32: what is
mistyped is found in its line. Letters are read in either case, O as 0, I and L as 1, with any spaces and dashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from blake3 import blake3

from replicator.crypto.suites.suite import SEED_BYTES
from replicator.errors import KeyLocked

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", " ": "", "-": "", "\t": ""})
_LINE_BYTES = 8
_CHECK_BYTES = 2
_CHARACTERS = (_LINE_BYTES + _CHECK_BYTES) * 8 // 5
LINES = SEED_BYTES // _LINE_BYTES


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is printed about a recipient. `repositories` are URLs."""

    name: str
    scope: str
    suite: str
    repositories: tuple[str, ...]
    fingerprint: str
    lines: tuple[str, ...]


def to_lines(seed: bytes) -> tuple[str, ...]:
    """LINES lines of four groups of four characters."""
    parts = [seed[at : at + _LINE_BYTES] for at in range(0, SEED_BYTES, _LINE_BYTES)]
    return tuple(_grouped(_encode(part + _check(n, part))) for n, part in enumerate(parts, 1))


def from_lines(lines: list[str]) -> bytes:
    """The seed. KeyLocked names the first line that is mistyped."""
    if len(lines) != LINES:
        raise KeyLocked(f"a recovery sheet has {LINES} lines, here are {len(lines)}", hint="Type them all, in order.")
    seed = b""
    for n, line in enumerate(lines, 1):
        body = _decode(line, n)
        part, check = body[:_LINE_BYTES], body[_LINE_BYTES:]
        if check != _check(n, part):
            raise KeyLocked(f"line {n} of the recovery sheet is mistyped, or stands in another's place")
        seed += part
    return seed


def fingerprint(public: dict[str, bytes]) -> str:
    """Names a key by its public halves, for comparing by eye: 20 hex digits in groups."""
    found = blake3(b"".join(public[name] for name in sorted(public))).hexdigest()[:20]
    return "-".join(found[at : at + 4] for at in range(0, 20, 4))


def as_text(sheet: Sheet) -> str:
    lines = "\n".join(f"    {n}   {line}" for n, line in enumerate(sheet.lines, 1))
    urls = "\n".join(f"    {url}" for url in sheet.repositories)
    return (
        f"RECOVERY SHEET\n\n"
        f"Recipient    {sheet.name}\nFamily       {sheet.scope}\nSuite        {sheet.suite}\n"
        f"Fingerprint  {sheet.fingerprint}\n\n"
        f"Private key. Whoever has these lines reads every checkpoint of the repositories below.\n\n{lines}\n\n"
        f"Repositories\n{urls}\n\n"
        f"To use it: put a copy of trust.json into an empty folder, then\n\n"
        f"    replicator keys recover {sheet.name} --keys FOLDER\n"
        f"    replicator restore latest --keys FOLDER --repo URL --to TARGET\n\n"
        f"Keep this paper, and a copy of trust.json (it is not secret), in a place that fails with none of the others.\n"
    )


def as_html(sheet: Sheet) -> str:
    """One page that prints on one sheet and loads nothing."""
    rows = "".join(f"<tr><th>{n}</th><td>{escape(line)}</td></tr>" for n, line in enumerate(sheet.lines, 1))
    urls = "".join(f"<li>{escape(url)}</li>" for url in sheet.repositories)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Recovery sheet</title>'
        "<style>body{font:12pt serif;margin:2cm}td{font:18pt monospace;padding:.3em 1em;border:1px solid}"
        "dt{font-weight:bold}code{font:11pt monospace}</style>"
        f"<h1>Recovery sheet: {escape(sheet.name)}</h1><dl><dt>Family</dt><dd>{escape(sheet.scope)}</dd>"
        f"<dt>Suite</dt><dd>{escape(sheet.suite)}</dd><dt>Fingerprint</dt><dd>{escape(sheet.fingerprint)}</dd></dl>"
        "<h2>Private key</h2><p>Whoever has these lines reads every checkpoint of the repositories below.</p>"
        f"<table>{rows}</table><h2>Repositories</h2><ul>{urls}</ul><h2>To use it</h2><ol>"
        "<li>Put a copy of <code>trust.json</code> into an empty folder.</li>"
        f"<li><code>replicator keys recover {escape(sheet.name)} --keys FOLDER</code>, and type the lines.</li>"
        "<li><code>replicator restore latest --keys FOLDER --repo URL --to TARGET</code></li></ol>"
        "<p>Keep this paper, and a copy of <code>trust.json</code> (it is not secret), in a place that fails with none "
        "of the others.</p></html>\n"
    )


def _check(n: int, part: bytes) -> bytes:
    return blake3(b"drstack recovery sheet" + bytes([n]) + part).digest()[:_CHECK_BYTES]


def _encode(body: bytes) -> str:
    number = int.from_bytes(body, "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range((_CHARACTERS - 1) * 5, -1, -5))


def _decode(line: str, n: int) -> bytes:
    typed = line.upper().translate(_READ_AS)
    if len(typed) != _CHARACTERS or not set(typed) <= set(_ALPHABET):
        raise KeyLocked(f"line {n} of the recovery sheet needs {_CHARACTERS} letters and digits, U is none of them")
    number = 0
    for character in typed:
        number = number << 5 | _ALPHABET.index(character)
    return number.to_bytes(_LINE_BYTES + _CHECK_BYTES, "big")


def _grouped(line: str) -> str:
    return " ".join(line[at : at + 4] for at in range(0, _CHARACTERS, 4))
