"""An environment's sites, from its file: the one component that a program in any language needs.

Decides nothing of its own: it reads the file and puts `Environment` and `Site` together, as `stacks/` does.
"""

import os
from pathlib import Path
from typing import NotRequired, TypedDict

import pulumi

from drstack.components.folders import located
from drstack.components.site import Site, SiteArgs, declared_environment
from drstack.components.token import token
from drstack.errors import DrstackError
from drstack.spec.loader import load_environment


class EnvironmentSitesArgs(TypedDict):
    """What a stack owns of an environment."""

    file: str
    """The environment file, relative to the folder of the program; jobs find their Python modules there too."""
    site: NotRequired[str]
    """The one site that this stack owns; all of them if it is left out."""
    root: NotRequired[str]
    """Folder to which the file's relative folders belong; DRSTACK_ROOT if it is left out, else `.drstack/local`."""


class EnvironmentSites(pulumi.ComponentResource):
    """The environment's entry on its witness, and its sites: store, replicator, nodes, jobs, descriptor."""

    environment_id: pulumi.Output[str]
    """The random id that the environment got when it was founded."""
    repositories: pulumi.Output[dict[str, str]]
    """URL of each site's repository of checkpoints."""
    roles: pulumi.Output[dict[str, dict[str, str]]]
    """By site and workload: writer, standby or unknown."""
    urls: pulumi.Output[dict[str, dict[str, str]]]
    """By site and workload that it serves, where clients send their requests."""

    def __init__(self, name: str, args: EnvironmentSitesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(token("EnvironmentSites"), name, {}, opts)
        here = Path.cwd()  # a plugin is started in the folder of the program
        file = here / args["file"]
        try:
            declared = load_environment(file, name=file.stem)
        except DrstackError as error:
            raise pulumi.RunError(f"{error}\n{error.hint}" if error.hint else str(error)) from error
        root = (here / (args.get("root") or os.environ.get("DRSTACK_ROOT") or ".drstack/local")).absolute()
        declared = located(declared, root)
        wanted = args.get("site")
        if wanted is not None and wanted not in declared.sites:
            raise pulumi.RunError(f"site: {file} has no {wanted!r}; its sites are {', '.join(declared.sites)}")
        below = pulumi.ResourceOptions(parent=self)
        sites = [wanted] if wanted is not None else list(declared.sites)
        environment = declared_environment(declared, root, sites, below)
        owner = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        made = {site: Site(site, SiteArgs(declared, site, root, here, owner, environment), below) for site in sites}
        self.environment_id = environment.environment_id
        self.repositories = pulumi.Output.all(**{site: each.repository for site, each in made.items()})
        self.roles = pulumi.Output.all(**{site: each.roles for site, each in made.items()})
        self.urls = pulumi.Output.all(**{site: each.urls for site, each in made.items()})
        self.register_outputs(
            {
                "environmentId": self.environment_id,
                "repositories": self.repositories,
                "roles": self.roles,
                "urls": self.urls,
            }
        )
