"""Replication: which copies a checkpoint has, who must confirm them, and what a recovery point demands.

Decides the defaults of acknowledgement, receipts and encryption. Invariant: RPO 0 is acknowledged by a near site unless the file
says otherwise, which `rules` then refuses.
"""

from typing import Literal

from pydantic import Field, StrictInt

from drstack.spec.fields import Declared, Duration, KeyName, Name, Rate, derived
from drstack.spec.retention import Keep, Kept
from drstack.spec.verification import Verify
from drstack.spec.workloads import WorkloadClass

Acknowledge = Literal["none", "near"]
Crypto = Literal["drstack-hybrid-1", "none"]
ReceiptLevel = Literal["stored", "decoded", "proved"]
RECEIPTS: tuple[ReceiptLevel, ...] = ("stored", "decoded")


class Prove(Declared):
    """How a standby proves recovery points: it resumes the newest apart, replays steps and compares their losses."""

    every: Duration = Field(description="Time between two looks for something to prove.", examples=["10m"])
    steps: StrictInt = Field(default=5, ge=1, le=200, description="Steps to replay, at most.", examples=[5])
    timeout: Duration = Field(default=600.0, description="The longest that one replay may take.", examples=["10m"])


class Replication(Declared):
    """What the sites keep of each other."""

    near: dict[Name, Name] = Field(
        default_factory=dict[str, str],
        description="For a writing site, the site close enough to confirm each checkpoint before it counts.",
        examples=[{"east": "west"}],
    )
    acknowledge: dict[Name, Acknowledge] = Field(
        default_factory=dict[str, Acknowledge],
        description="For a workload, who confirms a checkpoint before it counts: `none` or `near`. "
        "Default: none; near at RPO 0.",
        examples=[{"gpt": "near"}],
    )
    keep: Kept = Field(
        default=Keep(last=20), description="Checkpoints that each repository keeps, besides pins.", examples=[20]
    )
    encrypt_to: tuple[KeyName, ...] = Field(
        default=(),
        description="Recipients in separate custody, any of whom can decrypt; at least two. Empty: not encrypted.",
        examples=[["recovery@acme", "escrow@acme"]],
    )
    crypto: Crypto | None = derived(
        None,
        "drstack-hybrid-1 where encrypt_to names recipients, else none",
        description="Suite by which repositories are encrypted and signed; none: neither.",
        examples=["drstack-hybrid-1"],
    )
    receipts: dict[WorkloadClass, tuple[ReceiptLevel, ...]] = Field(
        default_factory=dict[WorkloadClass, tuple[ReceiptLevel, ...]],
        description="For a workload class, the receipts that make a commit a recovery point. Default: stored, decoded.",
        examples=[{"training": ["stored", "decoded", "proved"]}],
    )

    prove: Prove | None = Field(
        default=None,
        description="Have idle standbys prove recovery points of training workloads. Default: only `drstack prove` does.",
        examples=[{"every": "10m"}],
    )

    verify: Verify = Field(
        default=Verify(),
        description="How each site finds out unattended that its repository comes back.",
        examples=[{"scrub": "7d", "drill": "1d"}],
    )

    @property
    def suite(self) -> Crypto:
        """What the repositories of the environment are made with."""
        return self.crypto or ("drstack-hybrid-1" if self.encrypt_to else "none")

    @property
    def encrypted(self) -> bool:
        return self.suite != "none"

    def acknowledgement(self, workload: str, rpo_s: float) -> Acknowledge:
        return self.acknowledge.get(workload, "none" if rpo_s > 0 else "near")

    def demanded(self, workload_class: WorkloadClass) -> tuple[ReceiptLevel, ...]:
        """Receipts that make a commit of this class a recovery point."""
        return self.receipts.get(workload_class, RECEIPTS)


class Link(Declared):
    """The path between two sites."""

    between: tuple[Name, Name] = Field(description="The two sites.", examples=[["east", "west"]])
    bandwidth: Rate = Field(description="Bits per second that replication may use.", examples=["10Gbit/s"])
    delay: Duration | None = Field(default=None, description="Round-trip time.", examples=["60ms"])
