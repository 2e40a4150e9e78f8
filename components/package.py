"""The component package that other languages add: its name, its components and its schema.

Invariant: schema.json beside this file is what this module makes of the components' annotations:
`python -m drstack.components.package > components/schema.json`.
"""

import json
import sys
from importlib.metadata import version

from pulumi.provider.experimental import component_provider_host
from pulumi.provider.experimental.component import ComponentProvider

from drstack.components.checkpoint_store import CheckpointStore
from drstack.components.environment import Environment
from drstack.components.environment_sites import EnvironmentSites
from drstack.components.gpu_cluster import GpuCluster
from drstack.components.replicator_service import ReplicatorService
from drstack.components.token import PACKAGE
from drstack.components.traffic import Traffic

COMPONENTS = (EnvironmentSites, Environment, CheckpointStore, ReplicatorService, GpuCluster, Traffic)


def serve() -> None:
    """Serve the package to the engine; its address is the first argument of the command."""
    component_provider_host(list(COMPONENTS), PACKAGE, version=version("drstack"))


def schema() -> str:
    provider = ComponentProvider(list(COMPONENTS), PACKAGE, None, version("drstack"))
    return json.dumps(json.loads(provider.schema or ""), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
