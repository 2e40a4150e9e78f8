"""A reader of pickles that can build values and nothing else.

Invariant: there is no path from a pickle to a call. A class on the list becomes a `Symbol`, calling it becomes a
`Record` that holds the arguments, a state becomes that record's `state`; everything else is refused.

It is a machine of its own and not a subclass of `pickle.Unpickler`: with `find_class` locked, that one can still be
made to crash the process by a deeply nested tuple used as a key, or to ask for tens of gigabytes by one memo index.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from replicator.formats.errors import PickleRefused
from replicator.formats.pickle_machine import Machine, Symbol
from replicator.formats.pickle_opcodes import HANDLERS, MAKES

if TYPE_CHECKING:
    from collections.abc import Callable

STOP = ord(".")


MAX_OBJECTS = 1 << 24
"""Values and memo entries that a pickle may make: one byte of it can ask for a hundred of memory."""


def read_pickle(data: bytes, allowed: Callable[[Symbol], bool], *, max_objects: int = MAX_OBJECTS) -> object:
    """The value that `data` describes, made of scalars, tuples, lists, dicts, `Symbol` and `Record`.

    Raises UnknownClass for a class that `allowed` refuses, PickleRefused for anything else that is not plain.
    """
    machine = Machine(data, allowed)
    try:
        return _run(machine, max_objects)
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise PickleRefused(f"the pickle is broken near byte {machine.position}") from error


def _run(machine: Machine, max_objects: int) -> object:
    data = machine.data
    while (code := data[machine.position]) != STOP:
        machine.position += 1
        handler = HANDLERS.get(code)
        if handler is None:
            raise PickleRefused(f"the pickle uses opcode 0x{code:02x}, which the restricted reader does not know")
        handler(machine)
        if code in MAKES:
            max_objects -= 1
            if max_objects < 0:
                raise PickleRefused("the pickle makes more objects than the restricted reader takes")
    return machine.stack.pop()
