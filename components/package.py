"""The component package that other languages add: its name, its components and its schema.

Invariant: schema.json beside this file is what this module makes of the components' annotations:
`python -m drstack.components.package > components/schema.json`.
"""

import json
import sys
from importlib.metadata import version
from typing import Any, cast

import pulumi
from pulumi.provider import main
from pulumi.provider.experimental.analyzer import PropertyDefinition
from pulumi.provider.experimental.component import ComponentProvider

from drstack.components.checkpoint_store import CheckpointStore
from drstack.components.environment import Environment
from drstack.components.environment_sites import EnvironmentSites
from drstack.components.gpu_cluster import GpuCluster
from drstack.components.replicator_service import ReplicatorService
from drstack.components.token import PACKAGE
from drstack.components.traffic import Traffic

COMPONENTS: list[type[pulumi.ComponentResource]] = [
    EnvironmentSites, Environment, CheckpointStore, ReplicatorService, GpuCluster, Traffic,
]  # fmt: skip


class Package(ComponentProvider):
    """Takes outputs wherever the schema has an object: the SDK's own takes values there only."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, PACKAGE, None, version("drstack"))

    def map_input_properties(
        self,
        inputs: Any,
        properties: dict[str, PropertyDefinition],
        mapping: dict[str, str],
        component_name: str,
        property_path: str,
    ) -> Any:
        def mapped(known: Any) -> Any:
            return super(Package, self).map_input_properties(known, properties, mapping, component_name, property_path)

        if isinstance(inputs, pulumi.Output):
            return cast("pulumi.Output[Any]", inputs).apply(mapped)
        return mapped(inputs)


def serve() -> None:
    """Serve the package to the engine; its address is the first argument of the command."""
    main(Package(), sys.argv[1:])


def schema() -> str:
    return json.dumps(json.loads(Package().schema or ""), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
