"""Reading an environment file.

Decides where environments stand and what is a fault. Invariant: an `Environment` returned from here holds in every
field and every rule; otherwise all its faults are raised at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from drstack.errors import EnvironmentUnknown
from drstack.spec.draft import salvage, whole
from drstack.spec.environment import Environment
from drstack.spec.explain import explain
from drstack.spec.faults import EnvironmentInvalid, Fault
from drstack.spec.rules import judge
from drstack.spec.source import dotted, read

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "stacks/environments"


def find_environment(name: str, root: Path) -> Path:
    """The file of an environment in the project at `root`. Raises EnvironmentUnknown, which lists those there are."""
    folder = root / FOLDER
    names = sorted(path.stem for path in folder.glob("*.yaml") if path.is_file())
    if name in names:
        return folder / f"{name}.yaml"
    raise EnvironmentUnknown(
        f"no environment {name!r} in {folder}",
        hint=f"There are: {', '.join(names)}." if names else "drstack init writes one.",
    )


def load_environment(path: Path, *, name: str | None = None) -> Environment:
    """The environment that the file declares; with `name`, only if it declares that one.

    Raises EnvironmentInvalid with all faults.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        fault = Fault(path.name, 1, "", f"no readable file ({error.strerror})", "an environment", f"look at {path}")
        raise EnvironmentInvalid(path, (fault,)) from error
    return parse_environment(text, path, name=name)


def parse_environment(text: bytes | str, path: Path, *, name: str | None = None) -> Environment:
    """As `load_environment`, from text; `path` is for messages."""
    source = read(text, path.name)
    if source.root is None:
        raise EnvironmentInvalid(path, tuple(source.faults))
    faults = list(source.faults)
    environment = None
    try:
        environment = Environment.model_validate(source.value)
    except ValidationError as error:
        read_already = {fault.field for fault in faults}
        explained = (explain(one, source) for one in error.errors(include_url=False))
        faults += (fault for fault in explained if fault.field not in read_already)
    draft = salvage(source.value) if environment is None else whole(environment)
    told = {fault.field for fault in faults}
    for finding in judge(draft):
        field = dotted(finding.path)
        if field not in told:
            line = source.line(finding.path)
            faults.append(Fault(path.name, line, field, finding.got, finding.expected, finding.remedy))
    if name is not None and draft.environment not in {None, name}:
        line, expected = source.line(("environment",)), f"{name}, the name that was asked for"
        faults.append(
            Fault(path.name, line, "environment", repr(draft.environment), expected, f"write environment: {name}")
        )
    if environment is None or faults:
        raise EnvironmentInvalid(
            path, tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.field)))
        )
    return environment
