"""Lightning: `…/epoch=1-step=30.ckpt`, a file, or a folder where a sharded strategy saved.

A file is written elsewhere and moved into place, but nothing says so: it must be a whole archive and stand still. A
folder of FSDP has its `meta.pt` written last, one of DeepSpeed its `latest`.

Invariant: `last.ckpt` is only another name while a checkpoint with a step lies beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.dcp import dcp_fault, parts_of
from replicator.layouts.place import LAST, read_text
from replicator.layouts.renaming import aliased
from replicator.layouts.steps import step_in
from replicator.layouts.wholeness import archive_fault, files_fault, is_archive

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

SUFFIX = ".ckpt"
META = "meta.pt"


class LightningLayout:
    name = "lightning"

    def judge(self, place: Place) -> Candidate | None:
        if place.is_file:
            return self._judge_file(place) if place.name.endswith(SUFFIX) else None
        sharded = META in place.listing.files and bool(parts_of(place.listing))
        if not (place.name.endswith(SUFFIX) or (place.alone and sharded)):
            return None
        judged = place.judged(
            self.name, step_in(place.name), _folder_fault(place), "the strategy's last file is there",
            certainty=Certainty.DECLARED, settle=Settle.TWO_LOOKS,
        )  # fmt: skip
        return aliased(judged, is_last=LAST.fullmatch(place.name) is not None)

    def _judge_file(self, place: Place) -> Candidate:
        is_last = LAST.fullmatch(place.name) is not None
        step = None if is_last else step_in(place.name)
        folder = place.path.parent
        settle = Settle.TWO_LOOKS if is_archive(folder, place.name) else Settle.QUIET
        judged = place.judged(
            self.name, step, archive_fault(folder, place.name), "a whole archive that stands still", settle=settle
        )
        return aliased(judged, is_last=is_last)

    def resume(self, path: Path, step: int) -> str:
        del step
        found = path
        if path.is_dir() and not path.name.endswith(SUFFIX) and not (path / META).exists():
            found = min(path.glob(f"*{SUFFIX}"), default=path)
        return f"trainer.fit(model, ckpt_path={str(found)!r})"


def _folder_fault(place: Place) -> str | None:
    files = place.listing.files
    if parts_of(place.listing):
        fault = dcp_fault(place.path, place.listing)
        missing = None if META in files else f"`{META}` missing: the strategy writes it last"
        return fault or missing or files_fault(place.path, place.listing)
    tag = read_text(place.path, "latest") if "latest" in files else None
    if tag is None:
        return f"neither `{META}` nor `latest` is there, one of which the strategy writes last"
    if not place.inside(tag.strip()):
        return f"`latest` names `{tag.strip()}`, which is not there"
    return files_fault(place.path, place.listing)
