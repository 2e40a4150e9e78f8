"""Where the project stands, and the folder that holds what is local to it.

Decides both from the working folder and the variable DRSTACK_ROOT. Invariant: every path from here is absolute, so
that it means the same in the engine, in its plugins and in another shell.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from drstack.errors import DrstackError, EngineFailed, EnvironmentUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "Pulumi.yaml"
ROOT = "DRSTACK_ROOT"


@dataclass(frozen=True, slots=True)
class Project:
    """A Pulumi project: its folder, its name, and the folder of its stacks' config files."""

    root: Path
    name: str
    config_folder: Path

    def config_file(self, stack: str) -> Path:
        return self.config_folder / f"Pulumi.{stack}.yaml"


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a project. Raises EnvironmentUnknown."""
    folder = start.absolute()
    for here in (folder, *folder.parents):
        if (here / FILE).is_file() or (here / "stacks" / "environments").is_dir():
            return here
    raise EnvironmentUnknown(
        f"no {FILE} in {folder} or above", hint="Change to the project's folder, or make one with drstack init."
    )


def read_project(root: Path) -> Project:
    """The project in `root`. Raises EngineFailed where Pulumi.yaml is missing or has no name."""
    file = root / FILE
    try:
        content: object = yaml.safe_load(file.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise EngineFailed(f"{file} cannot be read: {error}", hint=f"Restore {file} from version control.") from error
    declared = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    name = declared.get("name")
    if not isinstance(name, str) or not name:
        raise EngineFailed(f"{file} has no name", hint=f"Write `name: drstack` into {file}.")
    return Project(root, name, root / str(declared.get("stackConfigDir", ".")))


def local_root(project_root: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """DRSTACK_ROOT, or `.drstack/local` of the project. Raises DrstackError for a relative DRSTACK_ROOT."""
    given = environ.get(ROOT)
    if not given:
        return project_root / ".drstack" / "local"
    if not Path(given).is_absolute():
        raise DrstackError(
            f"{ROOT}={given} is relative: the engine's plugins run in other folders",
            hint=f'export {ROOT}="$PWD/{given}"',
        )
    return Path(given)
