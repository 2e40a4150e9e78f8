"""The provider: dispatches the engine's requests to the kinds.

Decides nothing itself. Invariant: a preview touches nothing, and blocking work never holds up other requests.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi.provider.experimental import provider as rpc
from pydantic import ValidationError

from drstack.errors import DrstackError
from drstack.provider import folders, roles
from drstack.provider.checkpoint_repository import CheckpointRepository
from drstack.provider.job import Job
from drstack.provider.kind import DRIFT, Inputs, Kind, check_inputs, differences, parse
from drstack.provider.replicator_service import Replicator
from drstack.provider.router import Router
from drstack.provider.site import Site
from drstack.provider.site_descriptor import SiteDescriptor
from drstack.provider.values import UNKNOWN, Plain, plain_map, wire_map
from drstack.provider.witness_environment import Environment
from drstack.provider.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: tuple[Kind[Any], ...] = (
    Site(), CheckpointRepository(), WorkerPool(), Replicator(), Job(), Router(), Environment(), SiteDescriptor(),
)  # fmt: skip
FUNCTIONS: dict[str, tuple[type[Inputs], Callable[[Any], dict[str, object]]]] = {
    roles.TOKEN: (roles.RolesArguments, lambda given: roles.get_roles(given).outputs()),
    folders.TOKEN: (folders.FoldersArguments, lambda given: {"folders": folders.get_folders(given)}),
}
"""By token: what it is asked, and its outputs."""
SCHEMA = Path(__file__).with_name("schema.json")


class DrstackProvider(rpc.Provider):
    def __init__(self, kinds: tuple[Kind[Any], ...] = KINDS) -> None:
        self._kinds = {kind.token: kind for kind in kinds}

    async def get_schema(self, request: rpc.GetSchemaRequest) -> rpc.GetSchemaResponse:
        del request
        return rpc.GetSchemaResponse(SCHEMA.read_text())

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        kind = self._kind(request.type)
        inputs, failures = check_inputs(kind, plain_map(request.old_inputs), plain_map(request.new_inputs))
        told = [rpc.CheckFailure(failure.property, failure.reason) for failure in failures]
        return rpc.CheckResponse(inputs=wire_map(inputs), failures=told)

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        kind = self._kind(request.type)
        changed = differences(kind, plain_map(request.old_state), plain_map(request.new_inputs))
        changed = [name for name in changed if name not in request.ignore_changes]
        update = rpc.PropertyDiff(rpc.PropertyDiffKind.UPDATE, input_diff=False)
        return rpc.DiffResponse(changes=bool(changed), diffs=changed, detailed_diff=dict.fromkeys(changed, update))

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        kind, given = self._kind(request.type), plain_map(request.properties)
        if request.preview:
            return rpc.CreateResponse("", wire_map(_foreseen(kind, given)))
        made = await asyncio.to_thread(kind.create, parse(kind, given))
        return rpc.CreateResponse(made.id, wire_map(made.outputs))

    async def read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        kind = self._kind(request.type)
        state, inputs = plain_map(request.properties), plain_map(request.inputs)
        try:
            known = parse(kind, {**inputs, **state})
        except ValidationError as error:
            raise DrstackError(
                f"{request.resource_id} cannot be imported: its inputs are not known",
                hint="drstack up ENV takes it up.",
            ) from error
        found = await asyncio.to_thread(kind.read, known)
        if found is None:
            return rpc.ReadResponse("", {}, {})
        return rpc.ReadResponse(request.resource_id, wire_map({**state, **found}), wire_map(inputs or {}))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        kind, given = self._kind(request.type), plain_map(request.news)
        if request.preview:
            known = {name: value for name, value in plain_map(request.olds).items() if name in kind.computed}
            return rpc.UpdateResponse(wire_map({**_foreseen(kind, given), **known}))
        return rpc.UpdateResponse(wire_map(await asyncio.to_thread(kind.update, parse(kind, given))))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        kind = self._kind(request.type)
        await asyncio.to_thread(kind.delete, parse(kind, plain_map(request.properties)))

    async def invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        if request.tok not in FUNCTIONS:
            raise DrstackError(f"this provider has no function {request.tok}")
        model, answer = FUNCTIONS[request.tok]
        try:
            arguments = model.model_validate(plain_map(request.args))
        except ValidationError as error:
            failures = [rpc.CheckFailure(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
            return rpc.InvokeResponse(None, failures)
        return rpc.InvokeResponse(wire_map(await asyncio.to_thread(answer, arguments)))

    def _kind(self, qualified: str) -> Kind[Any]:
        token = qualified.rpartition("$")[2]  # behind the types of the parents
        if token not in self._kinds:
            raise DrstackError(f"this provider has no resource {token}", hint=f"It has: {', '.join(self._kinds)}.")
        return self._kinds[token]


def _foreseen(kind: Kind[Any], given: Mapping[str, Plain]) -> dict[str, object]:
    return {**given, **dict.fromkeys(kind.computed, UNKNOWN), DRIFT: []}
