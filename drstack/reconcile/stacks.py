"""An environment's stacks: which there are, which one is meant, and that they exist before they are used.

Decides between one stack a site and the one that holds all. Invariant: preparing is convergent, and touches no stack
that exists already.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from drstack.errors import EngineFailed, EnvironmentUnknown
from drstack.extras import require
from drstack.reconcile.config_file import aligned, read_config, salt_in_state, write_config
from drstack.reconcile.engine import find_engine
from drstack.reconcile.passphrase import make_passphrase
from drstack.reconcile.project import read_project
from drstack.reconcile.run import Engine, silent
from drstack.reconcile.settings import PASSPHRASE_FILE, passphrase_file, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.spec import Environment


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack; `site` is None for the one that holds all sites."""

    name: str
    site: str | None


def stacks_of(environment: Environment) -> tuple[Stack, ...]:
    """The stack that holds all sites, then one for each site, the primary's first."""
    name = environment.environment
    sites = sorted(environment.sites, key=lambda site: site != environment.primary)
    return (Stack(name, None), *(Stack(f"{name}.{site}", site) for site in sites))


def choose(environment: Environment, site: str | None, resources: Mapping[str, int]) -> tuple[Stack, ...]:
    """The stacks that `up` brings up: the one that holds all if only it has resources, else one for each site.

    Raises EnvironmentUnknown for a site that is not declared.
    """
    whole, *each = stacks_of(environment)
    if site is not None:
        chosen = tuple(stack for stack in each if stack.site == site)
        if not chosen:
            raise EnvironmentUnknown(
                f"environment {environment.environment} has no site {site!r}",
                hint=f"Its sites are: {', '.join(environment.sites)}.",
            )
        return chosen
    if resources.get(whole.name) and not any(resources.get(stack.name) for stack in each):
        return (whole,)
    return tuple(each)


def usual(environment: Environment, resources: Mapping[str, int]) -> Stack | None:
    """The stack that a bare `pulumi up` means: the one that holds all, until a site's own stack has resources."""
    whole, *each = stacks_of(environment)
    return None if any(resources.get(stack.name) for stack in each) else whole


def open_engine(
    environment: Environment,
    project_root: Path,
    local_root: Path,
    *,
    inherited: Mapping[str, str],
    say: Callable[[str], None] = silent,
) -> Engine:
    """The engine on the environment's backend, with passphrase and state folder made. EngineFailed, ExtraMissing."""
    require("pulumi", what="Pulumi's part")
    project = read_project(project_root)
    tools = find_engine(project_root, path=inherited.get("PATH"))
    chosen = settings(environment, project_root, local_root, tools, inherited=inherited)
    local_root.mkdir(parents=True, exist_ok=True)
    own = passphrase_file(local_root)
    if chosen.get(PASSPHRASE_FILE) == str(own) and make_passphrase(own):
        say(f"made {own}; state encrypted with it cannot be read without it")
    if (folder := state_folder(chosen["PULUMI_BACKEND_URL"])) is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineFailed(
                f"the state backend {folder} cannot be reached: {error.strerror}",
                hint="Bring it back, or restore it from a copy; sites and promotions need it for nothing but updates.",
            ) from error
    return Engine(project, local_root, chosen, say)


def prepare(engine: Engine, environment: Environment, stacks: Sequence[Stack]) -> tuple[str, ...]:
    """Have these stacks, and their config files. Returns those that were made. EngineFailed."""
    folder = state_folder(engine.settings["PULUMI_BACKEND_URL"])
    existing = engine.resources()
    made: list[str] = []
    for stack in stacks:
        file = engine.project.config_file(stack.name)
        before = read_config(file)
        checkpoint = folder and folder / ".pulumi" / "stacks" / engine.project.name / f"{stack.name}.json"
        values = {"drstack:environment": environment.environment, "drstack:site": stack.site}
        salt = salt_in_state(checkpoint) if checkpoint else None
        after = aligned(before, values, salt=salt, follow=folder is not None)
        if after != before:
            write_config(file, after)
        if stack.name not in existing:
            engine.say(f"making stack {stack.name}")
            _make(engine, stack)
            made.append(stack.name)
    return tuple(made)


def state_folder(backend_url: str) -> Path | None:
    """The folder of a `file:` backend."""
    parts = urlsplit(backend_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _make(engine: Engine, stack: Stack) -> None:
    try:
        engine.read(["stack", "init", stack.name, "--no-select"])
    except EngineFailed:
        if stack.name not in engine.resources():  # else somebody else made it meanwhile
            raise
