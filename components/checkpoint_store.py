"""Where a site keeps its checkpoints: the repository, sealed and opened for the terms that stand."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi

from drstack.components.local import resources
from drstack.components.token import known_as, token


class CheckpointStoreArgs(TypedDict):
    folder: pulumi.Input[str]
    """Folder of the site, absolute."""
    witness: pulumi.Input[str]
    """URL of the environment's witness."""
    environment: pulumi.Input[str]
    """Name of the environment."""
    workloads: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Workloads whose checkpoints are kept."""
    keys: NotRequired[pulumi.Input[str]]
    """Folder of the operator's trust file and keys; if it is left out, nothing is encrypted or signed."""


class CheckpointStore(pulumi.ComponentResource):
    """Where a site keeps its checkpoints: the repository, sealed and opened for the terms that stand."""

    url: pulumi.Output[str]
    """URL of the repository."""

    def __init__(self, name: str, args: CheckpointStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(token("CheckpointStore"), name, {}, known_as("CheckpointStore", opts))
        repository = resources.CheckpointRepository(
            name,
            folder=args["folder"],
            witness=args["witness"],
            environment=args["environment"],
            workloads=args["workloads"],
            keys=args.get("keys"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = repository.url
        self.register_outputs({"url": self.url})
