"""The environment: everything that one `stacks/environments/<name>.yaml` declares.

Decides the shape of the whole. Invariant: `sites`, `primary` and folders hold their defaults after reading; references
between parts are judged in `rules`, by `load_environment`.
"""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from drstack.spec.approvals import Approvals
from drstack.spec.contacts import Contact
from drstack.spec.drills import Drills
from drstack.spec.fields import Declared, Name, StateUrl, WitnessUrl, derived
from drstack.spec.promotion import Leases, Promotion
from drstack.spec.replication import Link, Replication
from drstack.spec.sites import Site, settled
from drstack.spec.steps import OwnStep
from drstack.spec.workloads import Workload

Strategy = Literal["active-active", "active-passive", "pilot-light", "cloud-burst"]


class Environment(Declared):
    """Sites, the workloads that they run, and what the loss of one may cost."""

    environment: Name = Field(description="Name of the environment.", examples=["gpt-prod"])
    strategy: Strategy = Field(
        description="How much of a standby runs before it is needed.", examples=["active-passive"]
    )
    witness: WitnessUrl = Field(
        description="Store outside all sites that holds assignments and operations.",
        examples=["s3://acme-witness?region=eu-central-1"],
    )
    state: StateUrl = Field(description="Backend of Pulumi's state.", examples=["s3://acme-pulumi?region=eu-central-1"])
    sites: dict[Name, Site] = Field(
        description="Places that can run the work, by name; at least two.",
        json_schema_extra={"minProperties": 2},
        examples=[{"east": {"platform": "local"}, "west": {"platform": "local"}}],
    )
    primary: str = derived(
        "", "the first site declared", description="Site that writes first.", examples=["east"], validate_default=True
    )
    workloads: dict[Name, Workload] = Field(
        min_length=1,
        description="What must survive the loss of a site, by name.",
        examples=[{"gpt": {"class": "training"}}],
    )
    replication: Replication = Field(
        default=Replication(), description="What the sites keep of each other.", examples=[{"keep": 20}]
    )
    links: tuple[Link, ...] = Field(
        default=(),
        description="Paths between sites, for judging objectives.",
        examples=[[{"between": ["east", "west"], "bandwidth": "10Gbit/s"}]],
    )
    leases: Leases | None = Field(
        default=None, description="Leases of the writer. Default: off.", examples=[{"ttl": "60s"}]
    )
    promotion: Promotion = Field(
        default=Promotion(), description="Who may start a promotion.", examples=[{"automatic": False}]
    )
    steps: dict[Name, OwnStep] = Field(
        default_factory=dict[Name, OwnStep],
        description="Steps of your own in promotions, switchovers and failbacks, by name.",
        examples=[{"scale-db": {"shell": ["/opt/dr/scale", "{target}"], "after": "assign", "before": "start gpt"}}],
    )
    approvals: Approvals = Field(
        default=Approvals(), description="Whose word an operation needs. Default: nobody's.",
        examples=[{"promote": {"of": ["alice", "bob", "carol"], "at_least": 2}}],
    )  # fmt: skip

    drills: Drills | None = Field(
        default=None, description="How often a drill is to be held. Default: no schedule.", examples=[{"every": "30d"}]
    )
    contacts: tuple[Contact, ...] = Field(
        default=(),
        description="Whom to call in an incident, in the order of escalation; printed in the runbook.",
        examples=[[{"name": "GPU on call", "phone": "+49 30 123456"}]],
    )

    @field_validator("sites")
    @classmethod
    def _settle(cls, sites: dict[str, Site], info: ValidationInfo) -> dict[str, Site]:
        environment = str(info.data.get("environment", "environment"))
        return {name: settled(environment, name, site) for name, site in sites.items()}

    @field_validator("primary")
    @classmethod
    def _first(cls, primary: str, info: ValidationInfo) -> str:
        return primary or next(iter(info.data.get("sites", ())), "")
