"""What an engine's folder must hold, and asking the engine in it for its version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tools import command
from tools.engine.choice import Unserved
from tools.engine.version import Version, parse

if TYPE_CHECKING:
    from pathlib import Path

CLI = "pulumi"
LANGUAGE_HOST = "pulumi-language-python"
TIMEOUT_S = 30.0


def version_in(folder: Path) -> Version:
    """Version of the engine in `folder`. Raises Unserved."""
    for name in (CLI, LANGUAGE_HOST):
        if not os.access(folder / name, os.X_OK):
            raise Unserved(f"no {name} in {folder}")
    try:
        answer = command.run(
            [str(folder / CLI), "version"],
            label="asking pulumi for its version",
            timeout_s=TIMEOUT_S,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
        return parse(answer)
    except (command.CommandFailed, ValueError) as error:
        raise Unserved(str(error)) from error
