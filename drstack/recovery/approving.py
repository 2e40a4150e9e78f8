"""Approvals as an operation meets them: asked for, counted before it begins, and counted again by whoever resumes it.

Where the environment asks for approvals, a plan that lacks them is left on the witness as a request, and nothing is
touched. Invariant: no step is begun of an operation that has neither enough approvals that count, nor the signed word of
somebody who may go on without, which is told loudly until somebody else signs it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import ApprovalRefused, ApprovalsMissing, ConsentRequired, OperationConflict
from drstack.recovery.asking import keys_of, quorum_of, subject_of
from drstack.recovery.glass import break_for, broken_for, require_broken
from drstack.recovery.plan import digest_of
from drstack.recovery.quorum import Refused, Tally, covers, tally
from drstack.recovery.words import (
    key_of,
    read_approval,
    sign_approval,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.recovery.plan import Given
    from drstack.recovery.quorum import Signed
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal
    from drstack.witness.requests import Request

Doc = dict[str, Any]
POLL_S = 2.0
LEAST_HASH = 8
"""How many digits of a plan's hash name it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on the witness, and how it stands. `plan` is the document that people approve."""

    request: Request
    kind: str
    plan: Doc
    digest: str
    by: str
    at: float
    tally: Tally
    begun: str | None = None
    """The operation that was begun by approvals of it, if another than the one that counts them."""

    def document(self) -> Doc:
        return {
            "request": self.request.identity, "kind": self.kind, "target": self.plan["target"], "hash": self.digest[:16],
            "digest": self.digest, "by": self.by, "at": self.at, "at_least": self.tally.at_least,
            "given": list(self.tally.given), "asked": list(self.tally.asked), "enough": self.tally.enough,
            "approvals": [word.document() for word in self.tally.words],
        }  # fmt: skip


def admit(world: World, plan: Doc, kind: str, given: Given, agreed: Doc | None) -> Doc:
    """What the journal has to hold besides the plan, so that it may be begun. Touches nothing but requests.

    ApprovalsMissing, with a request left on the witness; ApprovalRefused, ConsentRequired, KeyAbsent.
    """
    quorum = None if given.reopen is not None else world.quorums.get(kind)
    if quorum is None:
        if given.break_glass is not None:
            raise ConsentRequired(
                f"nobody has to approve a {kind} of {world.environment}: there is no glass to break",
                hint="The same command without --break-glass.",
            )
        return {}
    if given.break_glass is not None:
        return {"break_glass": break_for(world, quorum, plan, kind, given)}
    found = _approved(world, plan, kind, agreed, moments=(world.clock(),))
    if found is None:
        found = ask(world, agreed or plan, kind, given.by)
    if not found.tally.enough:
        raise _missing(world, found)
    return {"approvals": _as_admitted(found)}


def _as_admitted(found: Asked) -> Doc:
    told = [{"id": w.id, "person": w.person, "key": w.key, "at": w.at} for w in found.tally.counted()]
    return {"plan": found.digest, "request": found.request.identity, "at_least": found.tally.at_least, "given": told}


def require_admitted(world: World, journal: Journal) -> Doc | None:
    """Before any step of it, by whoever executes it. ApprovalsMissing, ApprovalRefused.

    What is known of the glass that was broken for it (`by`, `reason`), to whoever is the first to note that.
    """
    plan = journal.plan() or {}
    kind = str(plan.get("kind", "promote"))
    quorum = world.quorums.get(kind)
    broken = broken_for(journal, plan)
    if broken is not None:
        return require_broken(world, quorum, journal, plan, broken)
    if quorum is None:
        return None
    moments = (world.clock(), float(plan.get("planned_at") or plan.get("began_at") or 0.0))
    found = _approved(world, plan, kind, None, moments=moments, of=journal.identity)
    if found is None:
        found = ask(world, plan, kind, str(plan.get("by", "")))
    if not found.tally.enough:
        raise _missing(world, found, journal.identity)
    return None


def ask(world: World, plan: Doc, kind: str, by: str) -> Asked:
    """Leave the plan on the witness for people to approve, unless it lies there."""
    quorum = quorum_of(world, kind)
    base, wanted = int(plan["base"]), digest_of(plan)
    while True:
        found = next((each for each in requests(world, base) if each.digest == wanted and each.kind == kind), None)
        if found is not None:
            return found
        request = world.witness.request(base, len(world.witness.requests(base)) + 1)
        asked = {"kind": kind, "plan": _bare(plan), "digest": wanted, "by": by, "at": world.clock()}
        if request.begin(asked):
            return Asked(
                request,
                kind,
                _bare(plan),
                wanted,
                by,
                world.clock(),
                tally(quorum, (), subject_of(world, kind, wanted), (world.clock(),), {}),
            )


def requests(world: World, base: int, *, moments: Sequence[float] | None = None, of: str | None = None) -> list[Asked]:
    """Every request for plans made on an assignment whose kind has a quorum. `of`: the operation that may count what it spent."""
    found: list[tuple[Request, Doc, str]] = []
    for request in world.witness.requests(base):
        asked = request.asked()
        plan: object = asked.get("plan")
        digest = _digest(plan)
        if isinstance(plan, dict) and digest is not None and asked.get("kind") in world.quorums:
            found.append((request, asked, digest))
    if not found:
        return []
    spent = _spent(world, base, of)
    return [_as_asked(world, each, found, moments or (world.clock(),), spent) for each in found]


def _as_asked(
    world: World, one: tuple[Request, Doc, str], every: Sequence[tuple[Request, Doc, str]], moments: Sequence[float],
    spent: Mapping[str, str],
) -> Asked:  # fmt: skip
    """Words over the same plan count wherever they lie; others are shown where they do."""
    request, asked, digest = one
    kind = str(asked["kind"])
    keys = keys_of(world)
    words: list[Signed | Refused] = []
    for other, _, theirs in every:
        if other is request or theirs == digest:
            words += [
                read_approval(keys.trust, said, f"approval {other.identity}/{n}") for n, said in other.envelopes()
            ]
    judged = tally(quorum_of(world, kind), words, subject_of(world, kind, digest), moments, spent)
    begun = next((spent[word.id] for word in judged.words if word.id in spent), None)
    return Asked(request, kind, asked["plan"], digest, str(asked.get("by")), float(asked.get("at", 0.0)), judged, begun)


def _approved(
    world: World, plan: Doc, kind: str, agreed: Doc | None, *, moments: Sequence[float],
    of: str | None = None,
) -> Asked | None:  # fmt: skip
    """The request that covers this plan and has most approvals; of a plan that was agreed to, that one."""
    wanted = digest_of(agreed) if agreed is not None else None
    every = requests(world, int(plan["base"]), moments=moments, of=of)
    able = [
        each for each in every
        if each.kind == kind and (wanted is None or each.digest == wanted) and covers(each.plan, plan) is None
    ]  # fmt: skip
    return max(able, key=lambda each: len(each.tally.given), default=None)


def named(world: World, hash_: str) -> Asked:
    """The request for the plan of this hash, of at least 8 digits. OperationConflict."""
    base = _current(world)
    found = [each for each in requests(world, base) if each.digest.startswith(hash_)]
    if len(hash_) < LEAST_HASH or len({each.digest for each in found}) != 1:
        why = "names several" if len(found) > 1 else "names none"
        told = ", ".join(f"{each.digest[:16]} ({each.kind} to {each.plan['target']})" for each in requests(world, base))
        raise OperationConflict(
            f"{hash_} {why} of the plans that wait for approval on assignment {base}",
            hint=f"Those are: {told or 'none'}. A plan made before the last assignment has to be made anew.",
        )
    return found[0]


def approve(world: World, asked: Asked, person: str) -> Asked:
    """Sign the plan as this person. Returns how the request stands then. ApprovalRefused, KeyAbsent, OperationConflict."""
    quorum = quorum_of(world, asked.kind)
    if person not in quorum.of:
        raise ApprovalRefused(
            f"{person} is not asked to approve a {asked.kind} of {world.environment}",
            hint=f"Asked are: {', '.join(quorum.of)}.",
        )
    base = _current(world)
    if int(asked.plan["base"]) != base:
        raise OperationConflict(
            f"the plan was made on assignment {asked.plan['base']}, and {base} stands now",
            hint="It has to be made anew: whoever runs the operation runs the same command again.",
        )
    keys = keys_of(world)
    key = key_of(keys, person, "an approval")
    subject = subject_of(world, asked.kind, asked.digest)
    id_ = world.witness.token()
    asked.request.add(sign_approval(keys, key, subject, id=id_, at=world.clock(), expires_s=quorum.expires_s))
    now = next(each for each in requests(world, base) if each.request.identity == asked.request.identity)
    ours = next((word for word in now.tally.words if word.id == id_), None)
    if ours is None or (ours.why is not None and person not in now.tally.given):
        raise ApprovalRefused(f"the approval was written and does not count: {ours.why if ours else 'it is not there'}")
    return now


def wait(world: World, missing: ApprovalsMissing) -> None:
    """Until the request has enough approvals, or its plan was overtaken."""
    while _current(world) == missing.base:
        found = next((each for each in requests(world, missing.base) if each.digest == missing.digest), None)
        if found is None or found.tally.enough:
            return
        world.sleep(POLL_S)


def _missing(world: World, found: Asked, running: str | None = None) -> ApprovalsMissing:
    told, name = found.tally, world.environment
    have = f"{len(told.given)} of {told.at_least} approvals" + (f" ({', '.join(told.given)})" if told.given else "")
    refused = "".join(f"; not counted: {word.person}'s ({word.why})" for word in told.words if word.why is not None)
    what = f"operation {running}" if running else f"{found.kind} to {found.plan['target']}"
    again = f"drstack resume {name}" if running else "the same command again"
    quorum = quorum_of(world, found.kind)
    glass = (
        f" Without them: --break-glass NAME --reason '…' ({', '.join(quorum.break_glass)})."
        if quorum.break_glass
        else ""
    )
    return ApprovalsMissing(
        f"{what} (plan {found.digest[:16]}) has {have}; still asked: {', '.join(told.asked) or 'nobody'}{refused}",
        hint=f"They run: drstack approve {name} --hash {found.digest[:16]} --as NAME; then {again}.{glass}",
        base=int(found.plan["base"]), digest=found.digest,
    )  # fmt: skip


def _spent(world: World, base: int, but: str | None) -> dict[str, str]:
    """By id, the operation that an approval was used for. It counts for no second one."""
    found: dict[str, str] = {}
    for journal in world.witness.journals(base):
        told: Doc = (journal.plan() or {}).get("approvals") or {}
        if journal.identity != but:
            found |= {str(each["id"]): journal.identity for each in told.get("given", ())}
    return found


def _digest(plan: object) -> str | None:
    """None where it is no plan: anybody may write there."""
    try:
        return digest_of(plan) if isinstance(plan, dict) and plan["target"] and int(plan["base"]) else None  # pyright: ignore[reportUnknownArgumentType]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _bare(plan: Doc) -> Doc:
    """A plan as people approve it: without what a journal or a file holds beside it."""
    beside = ("by", "typed", "failed_at", "began_at", "facts_at", "planned_at", "approvals", "break_glass", "estimate")
    return {name: value for name, value in plan.items() if name not in beside}


def _current(world: World) -> int:
    current = world.witness.current()
    return current.number if current is not None else 0
