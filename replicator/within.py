"""A call that answers in time or not at all.

One that hangs is left behind in its thread, which ends with the process; nothing waits for it.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Late(Exception):
    """There was no answer in time; there may be one yet, that nobody hears."""


def within(limit_s: float, call: Callable[[], T], *, name: str) -> T:
    """What `call` returns or raises, in a thread called `name`. Late after `limit_s`."""
    answers: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put((True, call()))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            answers.put((False, error))

    threading.Thread(target=ask, name=name, daemon=True).start()
    try:
        answered, answer = answers.get(timeout=limit_s)
    except queue.Empty:
        raise Late from None
    if answered:
        return cast("T", answer)
    raise cast("BaseException", answer)
