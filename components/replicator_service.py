"""The service that carries a site's checkpoints to the others and verifies what arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from drstack.components.local import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.components.plan.local import LocalPlace


@dataclass(frozen=True, slots=True)
class ReplicatorServiceArgs:
    place: LocalPlace
    config: pulumi.Input[Mapping[str, object]]
    """`replicator.service.config.ServiceConfig`."""
    prover: Mapping[str, object] | None = None
    """`drstack.platforms.local.prover.ProverConfig`; None: nothing is proved here."""


class ReplicatorService(pulumi.ComponentResource):
    def __init__(self, name: str, args: ReplicatorServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("drstack:components:ReplicatorService", name, {}, opts)
        resources.Replicator(
            name,
            folder=str(args.place.folder),
            config=args.config,
            prover=args.prover,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
