"""Keeping a process and all that it starts from writing anywhere but in given folders: Linux's Landlock.

A drill runs confined, so that nothing of it can change the real environment's files, whatever a job does. Invariant:
what was confined cannot free itself, nor what it starts; reading stays as it was.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_SCOPE_SIGNAL = 1 << 1
# linux/landlock.h: WRITE_FILE; REMOVE_DIR up to MAKE_SYM; REFER since ABI 2; TRUNCATE since ABI 3.
_WRITES = 1 << 1 | sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_ABI_REFER, _ABI_TRUNCATE, _ABI_NET, _ABI_SCOPE = 2, 3, 4, 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """The version of Landlock that this kernel has; 0 where it has none, or it is switched off."""
    try:
        return max(0, int(ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, 0, _VERSION)))
    except (AttributeError, OSError):
        return 0


def confine(writable: Sequence[Path]) -> bool:
    """From now on this process and its children write below these folders only, and signal none but each other.

    To be called before other threads exist. False where the kernel cannot; OSError where it refuses.
    """
    version = abi()
    if version < _ABI_REFER:
        return False
    rights = _WRITES | _REFER | (_TRUNCATE if version >= _ABI_TRUNCATE else 0)
    attributes = _Ruleset(rights, 0, _SCOPE_SIGNAL if version >= _ABI_SCOPE else 0)
    size = 24 if version >= _ABI_SCOPE else 16 if version >= _ABI_NET else 8
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for folder in writable:
            parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            try:
                _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(rights, parent)), 0)
            finally:
                os.close(parent)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _call(number: int, *arguments: object) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
