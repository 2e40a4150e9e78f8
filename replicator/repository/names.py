"""Names of files as a manifest writes them: text, also where the file system's name is not.

Invariant: `to_disk(to_text(name)) == name` for every name that a file system can hold, and two names never share one
text. A NUL, which no name can hold, and two hex digits stand for a byte that is not part of UTF-8.
"""

from __future__ import annotations

import re

SURROGATE = re.compile("[\udc80-\udcff]")
"""How Python's file system calls show a byte that does not decode."""
ESCAPED = re.compile("\0([89a-f][0-9a-f])")


def to_text(name: str) -> str:
    """A name from the file system as text that JSON can hold."""
    return SURROGATE.sub(lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", name)


def to_disk(text: str) -> str:
    """The name to open. Where nothing is escaped it is the text itself."""
    return ESCAPED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)


def is_text(text: str) -> bool:
    """Whether `text` is a name that `to_text` can have made."""
    disk = to_disk(text)
    try:
        name = disk.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in disk and not SURROGATE.search(text) and name.decode("utf-8", "surrogateescape") == disk


def shown(name: str) -> str:
    """A name for people: what is no text is written as a backslash, an x and two hex digits."""
    return SURROGATE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", name)
