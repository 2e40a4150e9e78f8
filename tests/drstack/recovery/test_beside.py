"""Calls side by side: in their order, all ended before an error is raised, and never waiting for each other's threads."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from drstack.recovery.beside import side_by_side


def test_what_they_return_is_in_their_order():
    assert side_by_side([]) == []
    assert side_by_side([partial(int, n) for n in range(300)]) == list(range(300))


def test_calls_that_make_calls_side_by_side_all_end():
    """Far more wait at a time than there are threads."""

    def nested(depth):
        return sum(side_by_side([partial(nested, depth - 1)] * 12)) if depth else 1

    found = []
    asking = threading.Thread(target=lambda: found.append(nested(4)), daemon=True)
    asking.start()
    asking.join(120)
    assert found == [12**4]


def test_the_first_error_is_raised_once_all_have_ended():
    ended = []

    def act(n):
        if n in (3, 5):
            raise ValueError(n)
        ended.append(n)

    with pytest.raises(ValueError, match=r"^3$"):
        side_by_side([partial(act, n) for n in range(8)])
    assert sorted(ended) == [0, 1, 2, 4, 6, 7]
