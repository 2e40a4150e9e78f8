"""The program of every stack: one site of an environment, or all of them.

Which environment and site is the stack's config (`drstack:environment`, `drstack:site`), else its name:
`<environment>.<site>`, or `<environment>` for all sites in one stack.
"""

from __future__ import annotations

import os
from pathlib import Path

import pulumi

from drstack.components.folders import located
from drstack.components.site import Site, SiteArgs, declared_environment
from drstack.errors import DrstackError
from drstack.spec.loader import find_environment, load_environment


def run(project: Path) -> None:
    """Declare what the current stack holds; `project` is the folder that holds `stacks/environments`. RunError."""
    try:
        _declare(project)
    except DrstackError as error:
        raise pulumi.RunError(f"{error}\n{error.hint}" if error.hint else str(error)) from error


def _declare(project: Path) -> None:
    config, stack = pulumi.Config("drstack"), pulumi.get_stack()
    named, _, named_site = stack.partition(".")
    name = config.get("environment") or named
    site = config.get("site") or named_site
    declared = load_environment(find_environment(name, project), name=name)
    root = Path(os.environ.get("DRSTACK_ROOT") or project / ".drstack" / "local").absolute()
    declared = located(declared, root)
    wanted = [site] if site else list(declared.sites)
    environment = declared_environment(declared, root, wanted)
    owner = f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
    sites = {each: Site(each, SiteArgs(declared, each, root, project, owner, environment)) for each in wanted}
    pulumi.export("environmentId", environment.environment_id)
    pulumi.export("repositories", {each: made.repository for each, made in sites.items()})
    pulumi.export("urls", {each: made.urls for each, made in sites.items()})
    pulumi.export("roles", {each: made.roles for each, made in sites.items()})
