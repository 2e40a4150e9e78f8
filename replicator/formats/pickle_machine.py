"""The state of the restricted pickle reader: a stack, a memo, and values that cannot do anything.

Invariant: nothing here imports, looks up or calls what a pickle names. Calling a `Symbol` gives a `Record` that holds
the arguments; a dict key is a scalar or a record (hashed by identity), never a tuple, whose hash a hostile nesting
could make endless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from replicator.formats.errors import PickleRefused, UnknownClass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name on the list: a class, a function, a dtype. Never the thing itself."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Record:
    """What the pickle would have built by calling `symbol` with `args`."""

    symbol: Symbol
    args: tuple[object, ...]
    state: object = None


PERSISTENT = Symbol("", "persistent_id")
ORDERED_DICT = Symbol("collections", "OrderedDict")


class Machine:
    __slots__ = ("allowed", "data", "memo", "outer", "position", "stack", "symbols")

    def __init__(self, data: bytes, allowed: Callable[[Symbol], bool]) -> None:
        self.data = data
        self.allowed = allowed
        self.position = 0
        self.stack: list[object] = []
        self.outer: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.symbols: dict[tuple[str, str], Symbol] = {}

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise PickleRefused("the pickle ends in the middle of a value")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def byte(self) -> int:
        value = self.data[self.position]
        self.position += 1
        return value

    def line(self) -> str:
        end = self.data.index(b"\n", self.position)
        piece = self.data[self.position : end].decode()
        self.position = end + 1
        return piece

    def marked(self) -> list[object]:
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def find(self, module: object, name: object) -> Symbol:
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleRefused("the pickle names a class by something that is not text")
        known = self.symbols.get((module, name))
        if known is None:
            known = Symbol(module, name)
            if not self.allowed(known):
                raise UnknownClass(module, name)
            self.symbols[module, name] = known
        return known

    def build_from(self, symbol: object, args: object) -> object:
        if not isinstance(symbol, Symbol) or not isinstance(args, tuple):
            raise PickleRefused("the pickle calls something that is not a class on the list")
        if symbol == ORDERED_DICT and not args:
            return {}
        return Record(symbol, cast("tuple[object, ...]", args))

    def set_items(self, target: object, pairs: list[object]) -> None:
        if not isinstance(target, dict):
            raise PickleRefused("the pickle sets a key on something that is not a dict")
        into = cast("dict[object, object]", target)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not (key is None or isinstance(key, str | int | float | Record)):
                raise PickleRefused("the pickle uses a key that is neither a scalar nor a record")
            into[key] = value

    def extend(self, target: object, items: Collection[object]) -> None:
        if not isinstance(target, list):
            raise PickleRefused("the pickle appends to something that is not a list")
        cast("list[object]", target).extend(items)
