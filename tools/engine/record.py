"""Which engine this checkout uses, in `.drstack/engine.json`, where the product reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.engine.choice import Choice

PATH = Path(".drstack/engine.json")


def write(choice: Choice, checkout: Path) -> Path:
    engine = choice.engine
    content = {
        "bin": str(engine.bin),
        "version": str(engine.version),
        "way": engine.way,
        "why": "; ".join([engine.why, *choice.reasons]),
    }
    path = checkout / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)
    return path


def forget(checkout: Path) -> None:
    """Where no engine serves any more, the product must not be led to one that is gone."""
    (checkout / PATH).unlink(missing_ok=True)
