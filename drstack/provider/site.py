"""drstack:local:Site: the folder, who owns it, and the supervisord that keeps its processes.

Invariant: one stack owns a site; destroying it leaves no process, and its data unless `onDestroy` is `delete`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from drstack.platforms.local import ownership, teardown
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.supervisor import Supervisor
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.sites import Folder, Name, identify, present

if TYPE_CHECKING:
    from collections.abc import Mapping

LEASH = "DRSTACK_LEASH"


class SiteInputs(Inputs):
    folder: Folder
    environment: Name
    environment_id: str | None = None
    site: Name
    owner: str
    on_destroy: Literal["keep", "delete"] = "keep"


class Site(Kind[SiteInputs]):
    token = "drstack:local:Site"  # noqa: S105 - a type token
    inputs = SiteInputs
    identity = ("folder", "environment", "site", "owner")

    def create(self, inputs: SiteInputs) -> Created:
        return Created(identify(inputs.folder, "site"), self.update(inputs))

    def update(self, inputs: SiteInputs) -> Mapping[str, object]:
        folder = site_folder(inputs.folder)
        if not present(folder):
            # Processes of a site whose folder was taken away would write into the new one.
            teardown.end_processes(folder)
        ownership.claim(folder, self._record(inputs))
        folder.make()
        Supervisor(folder).ensure(fifo=os.environ.get(LEASH) or None)
        return {**inputs.model_dump(by_alias=True), DRIFT: []}

    def read(self, inputs: SiteInputs) -> Mapping[str, object] | None:
        folder = site_folder(inputs.folder)
        record = ownership.read_record(folder)
        if record is None:
            return None
        drift = [] if Supervisor(folder).answers() else ["supervisord is gone"]
        if record.owner != inputs.owner:
            drift.append(f"the site belongs to stack {record.owner}")
        return {**inputs.model_dump(by_alias=True), DRIFT: drift}

    def delete(self, inputs: SiteInputs) -> None:
        folder = site_folder(inputs.folder)
        record = ownership.read_record(folder)
        if record is not None and record.owner != inputs.owner:
            return
        teardown.end_processes(folder)
        teardown.remove(folder, keep_data=inputs.on_destroy == "keep")

    def _record(self, inputs: SiteInputs) -> ownership.SiteRecord:
        return ownership.SiteRecord(inputs.environment, inputs.environment_id, inputs.site, inputs.owner)
