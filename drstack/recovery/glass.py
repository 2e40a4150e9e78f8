"""Going on without approvals: who may, with a word of their own, told loudly until another person signs it off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import ApprovalRefused, ConsentRequired, OperationConflict
from drstack.recovery.asking import keys_of, subject_of
from drstack.recovery.plan import digest_of
from drstack.recovery.words import key_of, read_break, read_sign_off, sign_break, sign_off_word
from replicator.errors import RecordCorrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.plan import Given
    from drstack.recovery.quorum import Quorum
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]


def broken_for(journal: Journal, plan: Doc) -> Doc | None:
    """The signed word of who broke the glass for an operation, wherever its journal has it."""
    told = [dict(each.body) for each in journal.records() if each.kind == "break-glass"]
    return plan.get("break_glass") or (told[0] if told else None)


def require_broken(world: World, quorum: Quorum | None, journal: Journal, plan: Doc, told: Doc) -> Doc | None:
    """ApprovalRefused where the word does not hold. Notes it where `status` finds it; what was noted, to who did."""
    where = f"break-glass of operation {journal.identity}"
    kind = str(plan.get("kind", "promote"))
    subject = subject_of(world, kind, digest_of(plan))
    try:
        said = read_break(keys_of(world).trust, told.get("envelope") or {}, where)
    except RecordCorrupt as error:
        raise ApprovalRefused(str(error), hint=_end_it(world, journal)) from error
    if said.subject() != subject:
        raise ApprovalRefused(f"{where}: it is for another plan or environment", hint=_end_it(world, journal))
    if quorum is not None and said.person not in quorum.break_glass:
        raise ApprovalRefused(f"{where}: {said.person} may not", hint=_end_it(world, journal))
    body = {
        "operation": journal.identity, "kind": kind, "target": plan.get("target"), "by": said.person,
        "reason": said.reason, "at": said.at, "plan": subject.plan,
    }  # fmt: skip
    return body if world.witness.glass().note(body) else None


def break_for(world: World, quorum: Quorum, plan: Doc, kind: str, given: Given) -> Doc:
    person = given.break_glass or ""
    if not given.reason:
        raise ConsentRequired("going on without approvals needs a reason", hint="Add: --reason '…'")
    if person not in quorum.break_glass:
        who = ", ".join(quorum.break_glass)
        nobody = f"Nobody may: approvals.{kind}.break_glass of the environment file is empty."
        raise ApprovalRefused(
            f"{person} may not go on without approvals in {world.environment}",
            hint=f"Who may: {who}, named by --break-glass." if who else nobody,
        )
    keys = keys_of(world)
    subject = subject_of(world, kind, digest_of(plan))
    key = key_of(keys, person, "for who breaks the glass")
    return {"envelope": sign_break(keys, key, subject, id=world.witness.token(), at=world.clock(), reason=given.reason)}


def break_running(world: World, journal: Journal, given: Given) -> None:
    """Go on with an operation that runs and lacks approvals. ConsentRequired, ApprovalRefused, KeyAbsent."""
    plan = journal.plan() or {}
    kind = str(plan.get("kind", "promote"))
    quorum = world.quorums.get(kind)
    if quorum is None or given.break_glass is None or broken_for(journal, plan) is not None:
        return
    journal.write("break-glass", break_for(world, quorum, plan, kind, given))


def broken(world: World) -> list[Doc]:
    """Operations that went on without approvals; `signed_off` (`by`, `at`) once somebody else has signed them off."""
    glass = world.witness.glass()
    return [
        {**each, "signed_off": _signed_off(world, each, glass.signed_off(str(each["operation"])))}
        for each in glass.broken()
    ]


def sign_off(world: World, operation: str, person: str) -> Doc:
    """Sign an operation off that went on without approvals. ApprovalRefused, OperationConflict, KeyAbsent."""
    found = next((each for each in broken(world) if each["operation"] == operation), None)
    if found is None:
        raise OperationConflict(f"no operation {operation} of {world.environment} went on without approvals")
    allowed = who_signs_off(world, found)
    if person not in allowed:
        raise ApprovalRefused(
            f"{person} cannot sign operation {operation} off",
            hint=f"It takes one of: {', '.join(allowed) or 'nobody'}.",
        )
    keys = keys_of(world)
    subject = subject_of(world, str(found["kind"]), str(found["plan"]))
    envelope = sign_off_word(
        keys,
        key_of(keys, person, "a sign-off"),
        subject,
        id=world.witness.token(),
        at=world.clock(),
        operation=operation,
    )
    world.witness.glass().sign_off(operation, envelope)
    return next(each for each in broken(world) if each["operation"] == operation)


def _signed_off(world: World, each: Doc, envelopes: Sequence[Doc]) -> Doc | None:
    if world.keys is None:
        return None
    subject = subject_of(world, str(each["kind"]), str(each["plan"]))
    for envelope in envelopes:
        try:
            said = read_sign_off(world.keys.trust, envelope, f"sign-off of {each['operation']}")
        except RecordCorrupt:
            continue  # anybody may write there; what does not hold is nobody's word
        if (
            said.subject() == subject
            and said.operation == each["operation"]
            and said.person in who_signs_off(world, each)
        ):
            return {"by": said.person, "at": said.at}
    return None


def who_signs_off(world: World, each: Doc) -> list[str]:
    """Who may sign off an operation that went on without approvals, as `broken` tells of it."""
    quorum = world.quorums.get(str(each["kind"]))
    people = quorum.of if quorum is not None else tuple(name for q in world.quorums.values() for name in q.of)
    return sorted(set(people) - {str(each["by"])})


def _end_it(world: World, journal: Journal) -> str:
    return f"Somebody wrote it who may not; end operation {journal.identity}: drstack abort {world.environment} --reason '…'"
