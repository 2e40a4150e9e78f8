"""The environment as a whole: its entry on the witness, and from there the role of each site.

Invariant: roles are read anew at every preview and update, after the entry is there (DESIGN, rule 10).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi

from drstack.components.local import resources
from drstack.components.token import known_as, token


class AssignedWorkload(TypedDict):
    """What the first assignment says of a workload; later ones are made by promotions."""

    writer: pulumi.Input[str]
    """The site that writes first."""
    acknowledge: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Sites that must confirm a checkpoint before it counts."""
    serves: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[int]]]]
    """Of work that answers requests: each site's share at first, in percent."""


class SiteRepository(TypedDict):
    """A site, and where its checkpoints are kept."""

    site: pulumi.Input[str]
    """Name of the site."""
    url: pulumi.Input[str]
    """URL of its repository."""


class EnvironmentArgs(TypedDict):
    environment: pulumi.Input[str]
    """Name of the environment."""
    witness: pulumi.Input[str]
    """URL of its witness."""
    primary: pulumi.Input[str]
    """The site that writes what no assignment knows yet."""
    workloads: pulumi.Input[Mapping[str, pulumi.Input[AssignedWorkload]]]
    """What is protected, by name."""
    repositories: pulumi.Input[Sequence[pulumi.Input[SiteRepository]]]
    """The repositories of all sites."""
    sites: Sequence[str]
    """The sites that this stack owns: their roles are read."""
    keys: NotRequired[pulumi.Input[str]]
    """Folder of the operator's trust file and keys; if it is left out, nothing is encrypted or signed."""


class Environment(pulumi.ComponentResource):
    """The environment's entry on its witness, and from there the roles of this stack's sites."""

    environment_id: pulumi.Output[str]
    """The random id that the environment got when it was founded."""
    roles: pulumi.Output[dict[str, dict[str, str]]]
    """By site and workload: writer, standby or unknown; read anew at every preview and update."""

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(token("Environment"), name, {}, known_as("Environment", opts))
        repositories: pulumi.Output[Sequence[Any]] = pulumi.Output.from_input(args["repositories"])
        entry = resources.Environment(
            name,
            witness=args["witness"],
            environment=args["environment"],
            workloads=args["workloads"],
            repositories=repositories.apply(lambda every: [str(each["url"]) for each in every]),
            sites=repositories.apply(lambda every: [str(each["site"]) for each in every]),
            keys=args.get("keys"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.environment_id = entry.environment_id
        after = pulumi.InvokeOutputOptions(parent=self, depends_on=[entry])
        self.roles = pulumi.Output.all(**{each: _roles(each, args, after) for each in args["sites"]})
        self.register_outputs({"environmentId": self.environment_id, "roles": self.roles})


def _roles(site: str, args: EnvironmentArgs, after: pulumi.InvokeOutputOptions) -> pulumi.Output[dict[str, str]]:
    """Per workload whose files are carried: writer, standby or unknown. Warns where the witness did not say so."""
    answer = resources.get_roles(
        witness=args["witness"],
        environment=args["environment"],
        site=site,
        repository=pulumi.Output.from_input(args["repositories"]).apply(lambda every: _repository(site, every)),
        primary=args["primary"],
        workloads=pulumi.Output.from_input(args["workloads"]).apply(_carried),
        keys=args.get("keys"),
        opts=after,
    )

    def told(found: Any) -> dict[str, str]:
        if found["stale"]:
            known = f"the newest open of its repository (term {int(found['number'])})"
            source = known if found["source"] == "repository" else "nothing: its role is not known"
            pulumi.warn(
                f"The witness is away, or knows less than the repositories. What {site} is comes from {source}."
            )
        return dict(found["roles"])

    return answer.apply(told)


def _repository(site: str, every: Sequence[Any]) -> str:
    known = {str(each["site"]): str(each["url"]) for each in every}
    if site not in known:
        raise pulumi.InputPropertyError("sites", f"{site} has no repository; those with one are {', '.join(known)}")
    return known[site]


def _carried(workloads: Mapping[str, Any]) -> list[str]:
    return [name for name, each in workloads.items() if not each.get("serves")]
