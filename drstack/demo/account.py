"""The demo's account: the document that it prints and the report that it writes, from what was measured."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from drstack.custody.ring import SEEN
from drstack.demo.requests import count, in_words
from drstack.demo.trace import events
from drstack.platforms.local.folder import site_folder
from drstack.report.folder import write_report
from drstack.report.record import (
    CheckpointMark,
    Failure,
    FenceMark,
    Phase,
    RecoveryRecord,
    Reference,
    Refusal,
    StepMark,
    VersionMark,
)
from drstack.spec import objectives
from replicator.repository.repository import Repository
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.demo.disaster import Killed
    from drstack.demo.reference import Comparison
    from drstack.demo.rehearsal import Rehearsed
    from drstack.demo.requests import Counted, Outcome
    from drstack.demo.stage import Stage
    from drstack.demo.way_home import CameHome
    from drstack.demo.zombie import Offer
    from drstack.spec import Environment
    from replicator.crypto.keyring import Keyring

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that was measured."""

    environment: Environment
    stage: Stage
    killed: Killed
    end: Doc
    target: str
    lost: str
    workload: str
    offers: tuple[Offer, ...]
    zombie_accepted: int
    torn_offered: int
    torn_seen: int
    comparison: Comparison
    last_step: int
    home: CameHome
    rehearsed: Rehearsed | None = None
    """Who restored something before the disaster; None where nothing is encrypted."""
    versions: Doc | None = None
    """What the recovery point was made with, and what differs at the site that took over."""
    keys: Keyring | None = None
    requests: list[Outcome] | None = None
    """What a client saw meanwhile; None where nothing was served."""

    @property
    def counted(self) -> Counted | None:
        return None if self.requests is None else count(self.requests)

    @property
    def counted_on_the_way_home(self) -> Counted | None:
        if self.requests is None:
            return None
        return count([each for each in self.requests if each.sent_at >= self.home.began_at])


def write_account(account: Account, folder: Path) -> Doc:
    """Write the report and return the document, whose `report` is the report's path."""
    document = _document(account, folder)
    write_report(_record(account, document), folder)
    return document


def _document(account: Account, folder: Path) -> Doc:
    row = account.end["workloads"][0]
    goal = objectives(account.environment.workloads[account.workload])
    rpo_s, rto_s = row["rpo_s"], account.end["rto_s"]
    met = rpo_s <= goal.rpo_s and rto_s <= goal.rto_s
    steps = account.killed.step - row["step"]
    counted, counted_home = account.counted, account.counted_on_the_way_home
    same = "equals" if account.comparison.match else "DIFFERS from"
    verdict = (
        f"{account.target} resumed {account.workload} from step {row['step']}: {steps} steps ({rpo_s:.1f} s) lost, back "
        f"after {rto_s:.1f} s; objectives {'met' if met else 'MISSED'}; the resumed run {same} an uninterrupted one over "
        f"{account.comparison.compared} steps; {len(account.offers)} late commits of {account.lost} offered, "
        f"{account.zombie_accepted} accepted. {_home(account)}."
        + (f" Requests: {in_words(account.counted)}." if account.counted else "")
    )
    return {
        "promoted": account.end["result"] == "promoted",
        "writer": account.target,
        "lost_site": account.lost,
        "term": account.end["number"],
        "killed_at_step": account.killed.step,
        "files_at_kill": len(account.killed.files),
        "resumed_step": row["step"],
        "last_step": account.last_step,
        "rpo_steps": steps,
        "rpo_s": rpo_s,
        "rpo_objective_s": goal.rpo_s,
        "rto_s": rto_s,
        "rto_objective_s": goal.rto_s,
        "phases": [{"name": p["name"], "seconds": p["seconds"]} for p in account.end["phases"]],
        "reference_match": account.comparison.match,
        "reference_steps_compared": account.comparison.compared,
        "reference_first_difference": account.comparison.first_difference,
        "zombie_commits_offered": len(account.offers),
        "zombie_commits_accepted": account.zombie_accepted,
        "torn_checkpoints_offered": account.torn_offered,
        "torn_checkpoints_seen": account.torn_seen,
        "home": {
            **account.home.document(account.lost, account.last_step),
            "requests": None if counted_home is None else counted_home.document(),
        },
        "requests": None if counted is None else counted.document(),
        "strategy": account.environment.strategy,
        "answered_by": None if counted is None else dict(counted.by_site),
        "objectives_met": met,
        "fences": account.end["fences"],
        "crypto": account.environment.replication.suite,
        "rehearsal": None if account.rehearsed is None else asdict(account.rehearsed),
        "versions": account.versions,
        "verdict": verdict,
        "report": str(folder / "index.html"),
    }


def _home(account: Account) -> str:
    home = account.home
    return (
        f"Then home to {account.lost} from step {home.resumed_step}, {home.end['workloads'][0]['rpo_s']:g} s lost, stood still "
        f"for {home.end['rto_s']:.1f} s, though its operator was killed after {home.killed_after}"
    )


def _record(account: Account, document: Doc) -> RecoveryRecord:
    phases: list[Phase] = []
    began = account.end["failed_at"]
    for phase in account.end["phases"]:
        phases.append(Phase(phase["name"], began, phase["ended_at"]))
        began = phase["ended_at"]
    site = {name: site_folder(account.stage.site(name)) for name in (account.lost, account.target)}
    steps = [
        StepMark(name, int(e["step"]), float(e["at"]), float(e["loss"]))
        for name, folder in site.items()
        for e in events(folder.metrics(account.workload))
        if e.get("event") == "step"
    ]
    return RecoveryRecord(
        environment=account.environment.environment,
        workload=account.workload,
        made_at=datetime.now(tz=UTC).timestamp(),
        sites=(account.lost, account.target),
        steps=tuple(step for step in steps if step.site == account.target or step.at <= account.killed.at),
        checkpoints=tuple(_checkpoints(account)),
        failure=Failure(account.lost, account.killed.at, account.killed.step, ", ".join(account.killed.files)),
        phases=tuple(phases),
        refused=tuple(Refusal(account.lost, o.at, o.what, o.why) for o in account.offers if not o.accepted),
        rpo_s=document["rpo_s"],
        rto_s=document["rto_s"],
        rpo_objective_s=document["rpo_objective_s"],
        rto_objective_s=document["rto_objective_s"],
        fences=tuple(FenceMark(f["site"], f["grade"], f["proof"]) for f in account.end["fences"]),
        reference=Reference(
            account.comparison.match,
            account.comparison.compared,
            account.comparison.first_difference,
            against="an undisturbed run",
        ),
        facts=_facts(account),
        document=document,
        versions=_versions(account),
    )


def _versions(account: Account) -> tuple[VersionMark, ...]:
    rows: list[Doc] = account.versions["differences"] if account.versions else []
    return tuple(VersionMark(row["about"], row["match"], row["then"], row["now"]) for row in rows)


def _protection(account: Account) -> dict[str, str]:
    told = account.environment.replication
    if not told.encrypted or account.rehearsed is None:
        return {"encryption": "none (crypto: none)", "signatures": "none"}
    rehearsed = account.rehearsed
    return {
        "encryption": f"{told.suite}, to {', '.join(told.encrypt_to)}, and to what each site has to read",
        "signatures": f"{told.suite}: every record of a repository; commits by keys that their term's assignment lists",
        "rehearsed": f"{rehearsed.recipient} restored step {rehearsed.step} from its sheet of paper before the disaster",
    }


def _checkpoints(account: Account) -> list[CheckpointMark]:
    marks: list[CheckpointMark] = []
    for name in (account.lost, account.target):
        metrics = site_folder(account.stage.site(name)).metrics(account.workload)
        for event in events(metrics):
            before = name == account.target or float(event["at"]) <= account.killed.at
            if event.get("event") == "save_end" and before:
                marks.append(CheckpointMark(name, int(event["step"]), float(event["at"]), "saved", None))
    folder = site_folder(account.stage.site(account.target)).store
    repository = Repository(
        account.target, open_store(folder.as_uri()), keys=account.keys,
        memory=account.keys.folder / SEEN if account.keys else None,
    )  # fmt: skip
    log = repository.log(account.workload)
    for accepted in log.view().in_order():
        writer = account.lost if accepted.what.term == 1 else account.target
        for _, _, at in repository.receipts.words(account.workload, accepted.slot, "decoded").values():
            marks.append(CheckpointMark(writer, accepted.what.step, at, "committed", account.target))
    number = int("".join(c for c in account.killed.checkpoint if c.isdigit()) or 0)
    marks.append(CheckpointMark(account.lost, number, account.killed.at, "torn", None))
    restored = next(p["ended_at"] for p in account.end["phases"] if p["name"] == "restore")
    marks.append(
        CheckpointMark(account.target, account.end["workloads"][0]["step"], restored, "restored", account.target)
    )
    return marks


def _facts(account: Account) -> dict[str, str]:
    return {
        "machine": f"{platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "drstack": metadata.version("drstack"),
        "recovery point made with": account.end["workloads"][0].get("made_with") or "unknown",
        "home again": _home(account),
        "requests": in_words(account.counted) if account.counted else "none: nothing was served",
        **_protection(account),
        "seed": str(account.stage.seed),
        "processes killed": str(account.killed.processes),
        "torn checkpoint": f"{account.killed.checkpoint}: {', '.join(account.killed.files)}",
    }
