"""The environment as a whole: its entry on the witness, and from there the role of each site.

Invariant: roles are read anew at every preview and update, after the entry is there (DESIGN, rule 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from drstack.components.local import resources
from drstack.components.plan import local

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.spec.environment import Environment as Declared


@dataclass(frozen=True, slots=True)
class EnvironmentArgs:
    declared: Declared
    root: Path
    """Folder to which the file's relative folders belong."""


class Environment(pulumi.ComponentResource):
    environment_id: pulumi.Output[str]

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("drstack:components:Environment", name, {}, opts)
        self._args = args
        self._places = local.places(args.declared, args.root)
        self._witness = local.witness_url(args.declared, args.root)
        self._entry = resources.Environment(
            name,
            witness=self._witness,
            environment=args.declared.environment,
            workloads=local.assigned_workloads(args.declared),
            repositories=[place.repository for place in self._places.values()],
            sites=list(self._places),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.environment_id = self._entry.environment_id
        self.register_outputs({"environmentId": self.environment_id})

    def roles(self, site: str) -> pulumi.Output[dict[str, str]]:
        """Per workload: writer, standby or unknown. Warns where the witness did not say so."""
        declared = self._args.declared
        answer = resources.get_roles(
            witness=self._witness,
            environment=declared.environment,
            site=site,
            repository=self._places[site].repository,
            primary=declared.primary,
            workloads=tuple(local.replicated(declared)),
            opts=pulumi.InvokeOutputOptions(parent=self, depends_on=[self._entry]),
        )

        def told(found: Any) -> dict[str, str]:
            if found["stale"]:
                known = f"the newest open of its repository (term {int(found['number'])})"
                source = known if found["source"] == "repository" else "nothing: its role is not known"
                pulumi.warn(f"The witness is away. What {site} is comes from {source}.")
            return dict(found["roles"])

        return answer.apply(told)
