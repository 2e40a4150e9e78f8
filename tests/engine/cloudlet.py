"""A provider as clouds' are: each create makes another disk, under an id that nobody can tell beforehand.

The disks are files in the folder that CLOUDLET names. What the file `hang` there holds (create-before, create-after,
update-after, delete-before) is where the next such call stops for good, after writing `reached`. CLOUDLET_SLOW_S is how
long a create takes before its disk is there, and again after that.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path

from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental import server
from pulumi.provider.experimental.property_value import PropertyValue

WORLD = Path(os.environ["CLOUDLET"])
SLOW_S = float(os.environ.get("CLOUDLET_SLOW_S", "0"))
SCHEMA = {"name": "cloudlet", "version": "0.0.1", "resources": {"cloudlet:index:Disk": {}}}


def plain(properties: dict[str, PropertyValue]) -> dict[str, object]:
    return {name: value.value for name, value in properties.items()}


def wrapped(values: dict[str, object]) -> dict[str, PropertyValue]:
    return {name: PropertyValue(value) for name, value in values.items()}


async def hang(where: str) -> None:
    asked = WORLD / "hang"
    if asked.exists() and asked.read_text() == where:
        (WORLD / "reached").touch()
        await asyncio.sleep(600)


class Cloudlet(protocol.Provider):
    async def get_schema(self, request):
        return protocol.GetSchemaResponse(schema=json.dumps(SCHEMA))

    async def check(self, request):
        return protocol.CheckResponse(inputs=request.new_inputs)

    async def diff(self, request):
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = [name for name in new if old.get(name) != new[name]]
        return protocol.DiffResponse(changes=bool(changed), replaces=[n for n in changed if n == "zone"], diffs=changed)

    async def create(self, request):
        values = plain(request.properties)
        if request.preview:
            return protocol.CreateResponse(resource_id="", properties=wrapped(values))
        await hang("create-before")
        await asyncio.sleep(SLOW_S)
        made = self._made(values)
        (WORLD / "disks" / made).write_text(json.dumps(values))
        await asyncio.sleep(SLOW_S)
        await hang("create-after")
        return protocol.CreateResponse(resource_id=made, properties=wrapped(values))

    def _made(self, values: dict[str, object]) -> str:
        if os.environ.get("CLOUDLET_CONVERGENT"):
            return f"{values['name']}.only"
        return f"{values['name']}.{uuid.uuid4().hex[:8]}"

    async def read(self, request):
        file = WORLD / "disks" / request.resource_id
        if not file.exists():
            return protocol.ReadResponse()
        values = wrapped(json.loads(file.read_text()))
        return protocol.ReadResponse(resource_id=request.resource_id, properties=values, inputs=values)

    async def update(self, request):
        if not request.preview:
            (WORLD / "disks" / request.resource_id).write_text(json.dumps(plain(request.news)))
            await hang("update-after")
        return protocol.UpdateResponse(properties=request.news)

    async def delete(self, request):
        await hang("delete-before")
        (WORLD / "disks" / request.resource_id).unlink(missing_ok=True)


if __name__ == "__main__":
    server.main(sys.argv, "0.0.1", Cloudlet())
