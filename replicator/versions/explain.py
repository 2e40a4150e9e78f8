"""What a checkpoint was made with, what is at hand, and whether the one can run on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import DoesNotFit
from replicator.repository.beside import read_beside, require_beside
from replicator.versions import document as documents
from replicator.versions.differ import Match, Row, differ
from replicator.versions.document import Document
from replicator.versions.fit import Answer, Machine, Verdict, Work, fit
from replicator.versions.sharding import sharding_of

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.manifest import Manifest
    from replicator.repository.repository import Repository

_NOT_TOLD = "the checkpoint was committed without versions"
_FLOATS = ("float", "bfloat")


@dataclass(frozen=True, slots=True)
class Explanation:
    then: Document
    now: Document
    rows: tuple[Row, ...]
    verdict: Verdict

    def require_fit(self) -> None:
        """DoesNotFit, naming every reason, if the work cannot run here."""
        if self.verdict.blocking:
            reasons = "; ".join(f"{each.about}: {each.why}" for each in self.verdict.blocking)
            raise DoesNotFit(f"this work cannot run on this machine: {reasons}")

    def document(self) -> dict[str, object]:
        return {
            "then": self.then.model_dump(mode="json"),
            "now": self.now.model_dump(mode="json"),
            "differences": [
                {"about": row.about, "match": row.match, "then": row.then, "now": row.now} for row in self.rows
            ],
            "fits": {
                "answer": self.verdict.answer,
                "reasons": [
                    {"about": each.about, "answer": each.answer, "why": each.why} for each in self.verdict.reasons
                ],
                "speed": self.verdict.speed,
            },
        }

    def text(self) -> str:
        return "\n".join([*_table(self.rows), *_notes(self.then), *_judgement(self.verdict)])


def explain(repository: Repository, accepted: Accepted, now: Document) -> Explanation:
    """Compare the commit's versions with `now`, and judge. DataCorrupt."""
    then = versions_of(repository, accepted)
    manifest = repository.manifest(accepted.where.manifest)
    require_beside(manifest, accepted)
    return Explanation(then, now, differ(then, now), fit(work_of(manifest, then), machine_of(now)))


def versions_of(repository: Repository, accepted: Accepted) -> Document:
    """What is kept beside the commit; of one without, a document in which everything is unknown."""
    body = read_beside(repository, accepted, documents.NAME)
    if body is None:
        sections = ("code", "data", "model", "lock", "container", "software", "hardware")
        return Document(by="watch", at=accepted.what.saved_at, unknown=dict.fromkeys(sections, _NOT_TOLD))
    return documents.decode(body, str(accepted.what.id()))


def work_of(manifest: Manifest, then: Document) -> Work:
    run, software, hardware = then.run, then.software, then.hardware
    sharding = sharding_of([file.path for file in manifest.files])
    parts = {(each.name, each.offsets, each.shape): each.length for each in manifest.tensors}
    stored = {each.dtype for each in manifest.tensors if each.dtype.startswith(_FLOATS)}
    gpus = hardware.gpus if hardware else ()
    world = (run.world if run else None) or sharding.world
    nodes = -(-world // run.local_world) if world and run and run.local_world else 1
    return Work(
        state_bytes=sum(parts.values()), sharding=sharding, dtypes=frozenset(stored | set(run.dtypes if run else ())),
        world=world, gpu=gpus[0] if gpus else None, gpus=len(gpus) * nodes if hardware else None,
        cuda=software.cuda if software else None, archs=software.archs if software else (),
        peak_bytes=run.peak_memory_bytes if run else None,
    )  # fmt: skip


def machine_of(now: Document) -> Machine:
    hardware, software = now.hardware, now.software
    return Machine(
        gpus=hardware.gpus if hardware else None, driver=hardware.driver if hardware else None,
        torch=software.torch if software else None, cuda=software.cuda if software else None,
        archs=software.archs if software else (),
    )  # fmt: skip


def _table(rows: tuple[Row, ...]) -> list[str]:
    signs = {Match.SAME: "=", Match.DIFFERS: "!", Match.UNKNOWN: "?"}
    width = max(len(row.then) for row in rows if row.match is not Match.UNKNOWN) if any(
        row.match is not Match.UNKNOWN for row in rows) else 0  # fmt: skip
    lines: list[str] = []
    for row in rows:
        here = "same here" if row.match is Match.SAME else f"here: {row.now}"
        lines.append(f"  {signs[row.match]} {row.about:<10} {row.then:<{width}}  {here}".rstrip())
    return lines


def _notes(then: Document) -> list[str]:
    return [f"    note: {note}" for note in then.code.notes] if then.code else []


def _judgement(verdict: Verdict) -> list[str]:
    heads = {
        Answer.YES: "fits: yes", Answer.CHANGED: "fits: yes, with changes",
        Answer.UNKNOWN: "fits: not known", Answer.NO: "fits: NO",
    }  # fmt: skip
    speed = (
        "" if verdict.speed is None else f", at about {verdict.speed:g} times the speed by the GPUs' peak arithmetic"
    )
    lines = [heads[verdict.answer] + speed]
    lines += [f"  {each.answer:<8} {each.about}: {each.why}" for each in verdict.reasons]
    return lines
