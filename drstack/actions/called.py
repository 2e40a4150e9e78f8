"""Calls a user's function in a process of its own: `python -m drstack.actions.called NAME` with its arguments as JSON on stdin.

NAME is module:function, or an entry point in the group `drstack.steps`. What it returns is printed as the last line.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = "drstack.steps"


def find(name: str) -> Callable[..., Any]:
    """SystemExit, saying what is not there."""
    module, _, attribute = name.partition(":")
    try:
        if not attribute:
            return entry_points(group=GROUP)[name].load()
        found: Any = importlib.import_module(module)
        for each in attribute.split("."):
            found = getattr(found, each)
    except KeyError:
        known = ", ".join(sorted(each.name for each in entry_points(group=GROUP)))
        sys.exit(f"no entry point {name} in the group {GROUP}; there are: {known or 'none'}")
    except (ImportError, AttributeError) as error:
        sys.exit(f"{name}: {error}")
    return found


if __name__ == "__main__":
    said = find(sys.argv[1])(**json.load(sys.stdin))
    if said is not None:
        print(said, flush=True)  # noqa: T201 - what the step tells
