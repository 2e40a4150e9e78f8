"""Where a site keeps its checkpoints: the repository, sealed and opened for the terms that stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from drstack.components.local import resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.components.plan.local import LocalPlace


@dataclass(frozen=True, slots=True)
class CheckpointStoreArgs:
    place: LocalPlace
    witness: pulumi.Input[str]
    environment: pulumi.Input[str]
    workloads: pulumi.Input[Sequence[str]]


class CheckpointStore(pulumi.ComponentResource):
    url: pulumi.Output[str]

    def __init__(self, name: str, args: CheckpointStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("drstack:components:CheckpointStore", name, {}, opts)
        repository = resources.CheckpointRepository(
            name,
            folder=str(args.place.folder),
            witness=args.witness,
            environment=args.environment,
            workloads=args.workloads,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = repository.url
        self.register_outputs({"url": self.url})
