"""The drstack provider's resources and its functions, for Python programs; drstack/provider/schema.json describes them.

Invariant: nothing is decided here; the provider checks every input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GET_ROLES = "drstack:witness:getRoles"
GET_FOLDERS = "drstack:local:getFolders"


class Environment(pulumi.CustomResource):
    """The environment's entry on its witness."""

    def __init__(
        self,
        name: str,
        *,
        witness: pulumi.Input[str],
        environment: pulumi.Input[str],
        workloads: pulumi.Input[Mapping[str, pulumi.Input[Any]]],
        repositories: pulumi.Input[Sequence[pulumi.Input[str]]],
        sites: pulumi.Input[Sequence[pulumi.Input[str]]],
        keys: pulumi.Input[str | None] = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "witness": witness,
            "environment": environment,
            "workloads": workloads,
            "repositories": repositories,
            "sites": sites,
            "keys": keys,
        }
        super().__init__("drstack:witness:Environment", name, {**given, "environmentId": None}, opts)

    @property
    def environment_id(self) -> pulumi.Output[str]:
        return cast("pulumi.Output[str]", self.__dict__["environmentId"])


class SiteDescriptor(pulumi.CustomResource):
    """What a site publishes of itself on the witness."""

    def __init__(
        self,
        name: str,
        *,
        witness: pulumi.Input[str],
        environment: pulumi.Input[str],
        site: pulumi.Input[str],
        descriptor: pulumi.Input[Mapping[str, object]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {"witness": witness, "environment": environment, "site": site, "descriptor": descriptor}
        super().__init__("drstack:witness:SiteDescriptor", name, {**given, "hash": None}, opts)


class LocalSite(pulumi.CustomResource):
    """A site's folder and the supervisord that keeps its processes."""

    def __init__(
        self,
        name: str,
        *,
        folder: pulumi.Input[str],
        environment: pulumi.Input[str],
        environment_id: pulumi.Input[str],
        site: pulumi.Input[str],
        owner: pulumi.Input[str],
        on_destroy: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "folder": folder,
            "environment": environment,
            "environmentId": environment_id,
            "site": site,
            "owner": owner,
            "onDestroy": on_destroy,
        }
        super().__init__("drstack:local:Site", name, given, opts)


class CheckpointRepository(pulumi.CustomResource):
    """The site's store of checkpoints, opened for the terms that stand."""

    def __init__(
        self,
        name: str,
        *,
        folder: pulumi.Input[str],
        witness: pulumi.Input[str],
        environment: pulumi.Input[str],
        workloads: pulumi.Input[Sequence[pulumi.Input[str]]],
        keys: pulumi.Input[str | None] = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "folder": folder,
            "witness": witness,
            "environment": environment,
            "workloads": workloads,
            "keys": keys,
        }
        super().__init__("drstack:local:CheckpointRepository", name, {**given, "url": None}, opts)

    @property
    def url(self) -> pulumi.Output[str]:
        return cast("pulumi.Output[str]", self.__dict__["url"])


class WorkerPool(pulumi.CustomResource):
    """Slots between two bounds; how many of them run is an actuator's once the pool is made."""

    def __init__(
        self,
        name: str,
        *,
        folder: pulumi.Input[str],
        min_slots: pulumi.Input[int],
        max_slots: pulumi.Input[int],
        initial_slots: pulumi.Input[int | None],
        devices: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "folder": folder,
            "minSlots": min_slots,
            "maxSlots": max_slots,
            "initialSlots": initial_slots,
            "devices": devices,
        }
        super().__init__("drstack:local:WorkerPool", name, given, opts)


class Replicator(pulumi.CustomResource):
    """The site's replicator service, and its prover and holder of leases if they are told anything."""

    def __init__(
        self,
        name: str,
        *,
        folder: pulumi.Input[str],
        config: pulumi.Input[Mapping[str, object]],
        prover: pulumi.Input[Mapping[str, object]] | None = None,
        holder: pulumi.Input[Mapping[str, object]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {"folder": folder, "config": config, "prover": prover, "holder": holder}
        super().__init__("drstack:local:Replicator", name, given, opts)


class Job(pulumi.CustomResource):
    """What a workload runs at a site, from its next start on."""

    def __init__(
        self,
        name: str,
        *,
        folder: pulumi.Input[str],
        workload: pulumi.Input[str],
        module: pulumi.Input[str | None],
        command: pulumi.Input[Sequence[pulumi.Input[str]]],
        args: pulumi.Input[Sequence[pulumi.Input[str]]],
        ranks: pulumi.Input[int],
        env: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        checkpoints: pulumi.Input[str],
        initially_running: pulumi.Input[bool | None],
        python: pulumi.Input[str | None] = None,
        serves: pulumi.Input[str | None] = None,
        receipts: pulumi.Input[Sequence[pulumi.Input[str]]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "folder": folder,
            "workload": workload,
            "module": module,
            "command": command,
            "args": args,
            "ranks": ranks,
            "env": env,
            "checkpoints": checkpoints,
            "initiallyRunning": initially_running,
            "python": python,
            "serves": serves,
            "receipts": receipts,
        }
        super().__init__("drstack:local:Job", name, given, opts)


class Router(pulumi.CustomResource):
    """A site's part of the environment's router."""

    def __init__(
        self,
        name: str,
        *,
        folder: pulumi.Input[str],
        site: pulumi.Input[str],
        site_folder: pulumi.Input[str],
        workloads: pulumi.Input[Sequence[pulumi.Input[str]]],
        witness: pulumi.Input[str],
        environment: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {
            "folder": folder,
            "site": site,
            "siteFolder": site_folder,
            "workloads": workloads,
            "witness": witness,
            "environment": environment,
        }
        super().__init__("drstack:local:Router", name, {**given, "urls": None}, opts)

    @property
    def urls(self) -> pulumi.Output[dict[str, str]]:
        return cast("pulumi.Output[dict[str, str]]", self.__dict__["urls"])


def get_roles(
    *,
    witness: pulumi.Input[str],
    environment: pulumi.Input[str],
    site: pulumi.Input[str],
    repository: pulumi.Input[str],
    primary: pulumi.Input[str],
    workloads: pulumi.Input[Sequence[pulumi.Input[str]]],
    keys: pulumi.Input[str | None] = None,
    opts: pulumi.InvokeOutputOptions | None = None,
) -> pulumi.Output[Any]:
    """`{roles, source, stale, number}`; unknown in a preview until the environment is founded."""
    given: dict[str, object] = {
        "witness": witness,
        "environment": environment,
        "site": site,
        "repository": repository,
        "primary": primary,
        "workloads": workloads,
        "keys": keys,
    }
    return pulumi.runtime.invoke_output(GET_ROLES, given, opts)


def get_folders(*, witness: str, environment: str, root: str, sites: Sequence[str]) -> dict[str, str]:
    """By site, its folder; asked at once, as what is declared depends on it."""
    given: dict[str, object] = {"witness": witness, "environment": environment, "root": root, "sites": list(sites)}
    answer = pulumi.runtime.invoke(GET_FOLDERS, given)
    return {str(site): str(folder) for site, folder in dict(answer.value["folders"]).items()}
