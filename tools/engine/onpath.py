"""The engine that the user already has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.engine import binary
from tools.engine.choice import Engine, Unserved
from tools.engine.version import objection


def take() -> Engine:
    """Of the folder where PATH finds `pulumi` and the one it links to, the first that has a Python host too."""
    cli = shutil.which(binary.CLI)
    if cli is None:
        raise Unserved("no pulumi on PATH")
    folders = (Path(cli).absolute().parent, Path(cli).resolve().parent)
    whole = [folder for folder in folders if os.access(folder / binary.LANGUAGE_HOST, os.X_OK)]
    if not whole:
        raise Unserved(f"no {binary.LANGUAGE_HOST} beside {cli}")
    version = binary.version_in(whole[0])
    if (reason := objection(version)) is not None:
        raise Unserved(reason)
    return Engine(whole[0], version, "path", f"{cli} is on PATH")
