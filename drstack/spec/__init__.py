"""The environment file: what one `stacks/environments/<name>.yaml` declares, read and judged.

Decides what a valid environment is. Invariant: who holds an `Environment` from `load_environment` needs to check
nothing of it again. Nothing here reads the network, the witness or Pulumi.
"""

from drstack.spec.capacity import Capacity
from drstack.spec.environment import Environment, Strategy
from drstack.spec.faults import EnvironmentInvalid, Fault
from drstack.spec.jobs import DeploymentJob, Job, JobSetJob, LocalJob, ServeJob, SlurmJob, slots_taken
from drstack.spec.loader import find_environment, load_environment, parse_environment
from drstack.spec.objectives import Objectives, attained_rpo, objectives
from drstack.spec.promotion import Leases, Promotion
from drstack.spec.quantities import format_duration, format_size, parse_duration, parse_size
from drstack.spec.replication import Acknowledge, Link, ReceiptLevel, Replication
from drstack.spec.schema import json_schema, schema_text
from drstack.spec.sites import Adopt, AwsSite, GcpSite, KubernetesSite, LocalSite, Platform, Site, SlurmSite
from drstack.spec.standby import Role, standby_capacity, standby_slots
from drstack.spec.steps import OwnStep
from drstack.spec.urls import resolve_url
from drstack.spec.workloads import Checkpoints, Workload, WorkloadClass

__all__ = [
    "Acknowledge",
    "Adopt",
    "AwsSite",
    "Capacity",
    "Checkpoints",
    "DeploymentJob",
    "Environment",
    "EnvironmentInvalid",
    "Fault",
    "GcpSite",
    "Job",
    "JobSetJob",
    "KubernetesSite",
    "Leases",
    "Link",
    "LocalJob",
    "LocalSite",
    "Objectives",
    "OwnStep",
    "Platform",
    "Promotion",
    "ReceiptLevel",
    "Replication",
    "Role",
    "ServeJob",
    "Site",
    "SlurmJob",
    "SlurmSite",
    "Strategy",
    "Workload",
    "WorkloadClass",
    "attained_rpo",
    "find_environment",
    "format_duration",
    "format_size",
    "json_schema",
    "load_environment",
    "objectives",
    "parse_duration",
    "parse_environment",
    "parse_size",
    "resolve_url",
    "schema_text",
    "slots_taken",
    "standby_capacity",
    "standby_slots",
]
