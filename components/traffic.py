"""How requests reach the sites that serve: the environment's router, and this site's replicas behind it.

Invariant: what exists is declared here; which site gets how many requests is the assignment's (DESIGN, rule 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from drstack.components.local import resources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drstack.components.plan.local import LocalPlace


@dataclass(frozen=True, slots=True)
class TrafficArgs:
    place: LocalPlace
    router: Path
    """Folder of the environment's router, outside all sites."""
    workloads: Sequence[str]
    witness: pulumi.Input[str]
    environment: pulumi.Input[str]


class Traffic(pulumi.ComponentResource):
    urls: pulumi.Output[dict[str, str]]
    """Per workload, where clients send their requests."""

    def __init__(self, name: str, args: TrafficArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("drstack:components:Traffic", name, {}, opts)
        router = resources.Router(
            name,
            folder=str(args.router),
            site=args.place.site,
            site_folder=str(args.place.folder),
            workloads=args.workloads,
            witness=args.witness,
            environment=args.environment,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.urls = router.urls
        self.register_outputs({"urls": self.urls})
