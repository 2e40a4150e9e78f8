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
from replicator.formats.pickle_opcodes import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Callable

STOP = ord(".")


def read_pickle(data: bytes, allowed: Callable[[Symbol], bool]) -> object:
    """The value that `data` describes, made of scalars, tuples, lists, dicts, `Symbol` and `Record`.

    Raises UnknownClass for a class that `allowed` refuses, PickleRefused for anything else that is not plain.
    """
    machine = Machine(data, allowed)
    try:
        return _run(machine)
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise PickleRefused(f"the pickle is broken near byte {machine.position}") from error


def _run(machine: Machine) -> object:
    data = machine.data
    while (code := data[machine.position]) != STOP:
        machine.position += 1
        handler = HANDLERS.get(code)
        if handler is None:
            raise PickleRefused(f"the pickle uses opcode 0x{code:02x}, which the restricted reader does not know")
        handler(machine)
    return machine.stack.pop()
