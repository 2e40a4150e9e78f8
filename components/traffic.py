"""How requests reach the sites that serve: the environment's router, and this site's replicas behind it.

Invariant: what exists is declared here; which site gets how many requests is the assignment's (DESIGN, rule 10).
"""

from collections.abc import Sequence
from typing import TypedDict

import pulumi

from drstack.components.local import resources
from drstack.components.token import known_as, token


class TrafficArgs(TypedDict):
    folder: pulumi.Input[str]
    """Folder of the site, absolute."""
    site: pulumi.Input[str]
    """Name of the site."""
    router: pulumi.Input[str]
    """Folder of the environment's router, absolute and outside all sites: one for all of them."""
    workloads: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Workloads that answer requests here."""
    witness: pulumi.Input[str]
    """URL of the environment's witness."""
    environment: pulumi.Input[str]
    """Name of the environment."""


class Traffic(pulumi.ComponentResource):
    """How requests reach a site: the environment's router, and the site's replicas behind it."""

    urls: pulumi.Output[dict[str, str]]
    """Per workload, where clients send their requests."""

    def __init__(self, name: str, args: TrafficArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(token("Traffic"), name, {}, known_as("Traffic", opts))
        router = resources.Router(
            name,
            folder=args["router"],
            site=args["site"],
            site_folder=args["folder"],
            workloads=args["workloads"],
            witness=args["witness"],
            environment=args["environment"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.urls = router.urls
        self.register_outputs({"urls": self.urls})
