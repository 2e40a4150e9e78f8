"""The opcodes that torch's picklers emit (protocols 2 to 5), and what each does to the machine.

Invariant: the table has no opcode that is not needed, so sets, extensions, text-mode numbers, buffers and
`__reduce_ex__` forms with keywords are refused by being absent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from replicator.formats.errors import PickleRefused
from replicator.formats.pickle_machine import PERSISTENT, Machine, Record

Handler = Callable[[Machine], None]

MAX_MARK_DEPTH = 256


def _skip(count: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.take(count)

    return handler


def _constant(value: object) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(value)

    return handler


def _number(layout: str) -> Handler:
    shape = struct.Struct(layout)

    def handler(machine: Machine) -> None:
        machine.stack.append(shape.unpack_from(machine.data, machine.position)[0])
        machine.position += shape.size

    return handler


def _text(size_bytes: int) -> Handler:
    def handler(machine: Machine) -> None:
        length = int.from_bytes(machine.take(size_bytes), "little")
        machine.stack.append(machine.take(length).decode("utf-8", "strict"))

    return handler


def _raw(size_bytes: int) -> Handler:
    def handler(machine: Machine) -> None:
        length = int.from_bytes(machine.take(size_bytes), "little")
        machine.stack.append(machine.take(length))

    return handler


def _tuple_of(count: int) -> Handler:
    def handler(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise PickleRefused("the pickle takes more from the stack than is there")
        stack[-count:] = [tuple(stack[-count:])]

    return handler


def _long1(machine: Machine) -> None:
    machine.stack.append(int.from_bytes(machine.take(machine.byte()), "little", signed=True))


def _mark(machine: Machine) -> None:
    if len(machine.outer) >= MAX_MARK_DEPTH:
        raise PickleRefused("the pickle nests too deeply")
    machine.outer.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    machine.stack.pop()


def _pop_mark(machine: Machine) -> None:
    machine.marked()


def _tuple(machine: Machine) -> None:
    items = machine.marked()
    machine.stack.append(tuple(items))


def _list(machine: Machine) -> None:
    machine.stack.append([])


def _dict(machine: Machine) -> None:
    machine.stack.append({})


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    machine.extend(machine.stack[-1], (item,))


def _appends(machine: Machine) -> None:
    items = machine.marked()
    machine.extend(machine.stack[-1], items)


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    machine.set_items(machine.stack[-1], [key, value])


def _set_items(machine: Machine) -> None:
    pairs = machine.marked()
    machine.set_items(machine.stack[-1], pairs)


def _global(machine: Machine) -> None:
    module = machine.line()
    machine.stack.append(machine.find(module, machine.line()))


def _stack_global(machine: Machine) -> None:
    name = machine.stack.pop()
    machine.stack.append(machine.find(machine.stack.pop(), name))


def _call(machine: Machine) -> None:
    args = machine.stack.pop()
    machine.stack[-1] = machine.build_from(machine.stack[-1], args)


def _build(machine: Machine) -> None:
    """A state of a dict is that of an OrderedDict (torch notes versions of modules there): nothing of it is kept."""
    state = machine.stack.pop()
    target = machine.stack[-1]
    if isinstance(target, dict):
        return
    if not isinstance(target, Record):
        raise PickleRefused("the pickle gives a state to something that is not a record")
    target.state = state


def _persistent(machine: Machine) -> None:
    machine.stack[-1] = Record(PERSISTENT, (machine.stack[-1],))


def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _put1(machine: Machine) -> None:
    machine.memo[machine.byte()] = machine.stack[-1]


def _put4(machine: Machine) -> None:
    machine.memo[int.from_bytes(machine.take(4), "little")] = machine.stack[-1]


def _get1(machine: Machine) -> None:
    machine.stack.append(machine.memo[machine.byte()])


def _get4(machine: Machine) -> None:
    machine.stack.append(machine.memo[int.from_bytes(machine.take(4), "little")])


HANDLERS: Mapping[int, Handler] = MappingProxyType(
    {
        0x80: _skip(1),  # PROTO
        0x95: _skip(8),  # FRAME
        ord("N"): _constant(None),
        0x88: _constant(value=True),
        0x89: _constant(value=False),
        ord(")"): _constant(()),
        ord("K"): _number("<B"),
        ord("M"): _number("<H"),
        ord("J"): _number("<i"),
        ord("G"): _number(">d"),
        0x8A: _long1,
        0x8C: _text(1),
        ord("X"): _text(4),
        ord("C"): _raw(1),
        ord("B"): _raw(4),
        0x85: _tuple_of(1),
        0x86: _tuple_of(2),
        0x87: _tuple_of(3),
        ord("("): _mark,
        ord("0"): _pop,
        ord("1"): _pop_mark,
        ord("t"): _tuple,
        ord("]"): _list,
        ord("}"): _dict,
        ord("a"): _append,
        ord("e"): _appends,
        ord("s"): _set_item,
        ord("u"): _set_items,
        ord("c"): _global,
        0x93: _stack_global,
        ord("R"): _call,
        0x81: _call,  # NEWOBJ
        ord("b"): _build,
        ord("Q"): _persistent,
        0x94: _memoize,
        ord("q"): _put1,
        ord("r"): _put4,
        ord("h"): _get1,
        ord("j"): _get4,
    }
)

MAKES = frozenset(HANDLERS) - {0x80, 0x95, *b"N)(01aesubhj", 0x88, 0x89}
"""Those that may take memory that was not taken before."""
