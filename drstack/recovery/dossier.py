"""One operation as its journal tells it: who did what, each step beside its estimate, fences, loss, failures, evidence.

Pure. Invariant: records of kinds that are not known here are told all the same, by their kind and their text.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from drstack.recovery.account import account, attempts, planned_steps, results_of
from drstack.recovery.history import bounds
from drstack.recovery.tracing import trace_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.log.records import Record

Doc = dict[str, Any]
_TOLD_ELSEWHERE = ("plan", "intent", "outcome", "failure")


def dossier(
    environment: str, identity: str, records: Sequence[Record], kind: str, estimates: Mapping[str, float]
) -> Doc:
    """The document of one operation; docs/cli.md names its fields. `estimates`: seconds by step, as known beforehand.

    `records` begin with the plan; `kind`: as the history says it.
    """
    plan, end = dict(records[0].body), _end(records)
    body: Doc = dict(end.body) if end is not None else {}
    results = results_of(records)
    return {
        "environment": environment, "operation": identity, "kind": kind, "target": plan.get("target"),
        "trace_id": trace_id(environment, identity, records[0].digest),
        "by": plan.get("by"), "reason": plan.get("reason"), "failed_at": plan.get("failed_at"),
        "began_at": plan.get("began_at", records[0].at), "planned_at": plan.get("planned_at"),
        "ended_at": end.at if end is not None else None,
        "writers": sorted({str(each["writer"]) for each in plan.get("workloads", ()) if "writer" in each}),
        "moved": any(record.kind == "outcome" and record.body.get("step") == "assign" for record in records),
        "result": body.get("result", "unfinished"), "why": body.get("why", ""), "hash": plan.get("hash"),
        "steps": _steps(plan, records, estimates), "consents": _consents(plan, records), "fences": _fences(records),
        "workloads": [
            {**each, "rpo_is_bound": bounds(plan, body, each)[0]} for each in body.get("workloads") or ()
        ] or [_planned(each) for each in plan.get("workloads", ())],
        "phases": body.get("phases", []), "rto_s": body.get("rto_s"),
        "rto_is_bound": bounds(plan, body, {} if body.get("workloads") else None)[1],
        "utilisation": None, "waited": {}, "critical": [], **account(records),
        "failures": _failures(records),
        "records": [_record(each) for each in records if each.kind not in _TOLD_ELSEWHERE],
        "evidence": {
            "records": len(records), "last_record": records[-1].digest, "assignment": body.get("number"),
            "planned_on": plan.get("base"),
            "seals": [
                {"workload": step.removeprefix("seal "), **seal}
                for step, result in results.items() for seal in result.get("seals", ())
            ],
            "restored": [
                {"workload": step.removeprefix("restore "), **{name: result.get(name) for name in _RESTORED}}
                for step, result in results.items() if step.startswith("restore ") and "commit" in result
            ],
        },
    }  # fmt: skip


_RESTORED = ("commit", "step", "source", "files", "size_bytes", "made_with")


def _end(records: Sequence[Record]) -> Record | None:
    return next((record for record in records if record.kind == "end"), None)


def _steps(plan: Mapping[str, Any], records: Sequence[Record], estimates: Mapping[str, float]) -> list[Doc]:
    """The plan's steps in its order, then any that the journal alone knows."""
    tried = attempts(records)
    details = {str(r.body.get("step")): str(r.body.get("detail", "")) for r in reversed(records) if r.kind == "outcome"}
    planned = planned_steps(plan)
    names = [*planned, *dict.fromkeys(each.step for each in tried if each.step not in planned)]
    told: list[Doc] = []
    for name in names:
        mine = [each for each in tried if each.step == name]
        last = next((each for each in mine if each.how in ("done", "skipped")), mine[-1] if mine else None)
        step = planned.get(name, {})
        seconds = last.ended_at - last.began_at if last is not None and last.ended_at is not None else None
        told.append({
            "id": name, "act": step.get("act", ""), "subject": step.get("subject", ""), "at": step.get("at", ""),
            "does": step.get("does", ""), "after": list(step.get("after", ())),
            "state": "waiting" if last is None else last.how, "by": last.by if last is not None else "",
            "began_at": None if last is None else last.began_at, "seconds": None if seconds is None else round(seconds, 6),
            "estimate_s": estimates.get(name), "detail": details.get(name, ""), "attempts": [asdict(each) for each in mine],
        })  # fmt: skip
    return told


def _planned(workload: Mapping[str, Any]) -> Doc:
    """A workload of an operation that did not come to its end: nothing was measured."""
    return {
        "name": workload.get("name"), "step": workload.get("step"), "commit": workload.get("commit"), "rpo_s": None,
        "rto_s": None, "rpo_objective_s": workload.get("rpo_s"), "rto_objective_s": workload.get("rto_s"), "void": [],
        "rpo_is_bound": False,
    }  # fmt: skip


def _consents(plan: Mapping[str, Any], records: Sequence[Record]) -> list[Doc]:
    told = [
        {"consent": str(kind), "value": str(value), "by": plan.get("by"), "reason": plan.get("reason")}
        for kind, value in plan.get("consents", ())
    ]
    admitted: Doc = plan.get("approvals") or {}
    told += [
        {"consent": "approval", "value": str(each.get("at", "")), "by": each.get("person"), "reason": None}
        for each in admitted.get("given", ())
    ]
    return told + [
        {"consent": f"left out: {r.body.get('step')}", "value": "", "by": r.body.get("by"), "reason": r.body["skipped"]}
        for r in records
        if r.kind == "outcome" and r.body.get("skipped") is not None
    ]


def _fences(records: Sequence[Record]) -> list[Doc]:
    """Every word about how sure it is that a site cannot act, the later ones too: a grade may get better."""
    found: list[Doc] = []
    for record in records:
        result: Doc = (record.body.get("result") or {}) if record.kind == "outcome" else {}
        told: tuple[Mapping[str, Any], ...] = (record.body, result.get("fence") or {})
        found += [
            {name: each.get(name, "") for name in ("site", "grade", "done", "proof")} | {"at": record.at}
            for each in told
            if {"site", "grade"} <= each.keys()
        ]
    return found


def _failures(records: Sequence[Record]) -> list[Doc]:
    settled = {record.body.get("step"): record for record in records if record.kind == "outcome"}
    found: list[Doc] = []
    for record in records:
        if record.kind != "failure":
            continue
        step = record.body.get("step")
        then = "not done" if step not in settled else "left out" if settled[step].body.get("skipped") else "done later"
        found.append(
            {"at": record.body.get("at", record.at), "step": step, "why": record.body.get("why", ""), "then": then}
        )
    return found


def _record(record: Record) -> Doc:
    """A record that is no step's, in words."""
    body = dict(record.body)
    by, reason = body.pop("by", None), body.pop("reason", None) or body.pop("why", None)
    if record.kind == "end":
        body = {"result": body.get("result")}
    rest = "; ".join(f"{name}: {_short(value)}" for name, value in body.items() if value not in (None, "", [], {}))
    return {"n": record.n, "kind": record.kind, "at": record.at, "by": by, "reason": reason, "told": rest}


def _short(value: object, most: int = 200) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= most else text[: most - 1] + "…"
