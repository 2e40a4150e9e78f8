"""Going on while the witness is away: by consent, with proven fences alone, and noticed afterwards (DESIGN, rule 12).

What is told by `World.witness` is then a stand-in (`drstack.witness.stand_in`). Two operators who go on at once to different
sites meet at the first repository that both reach: opens are written one after another, in the order of the sites'
names, and who finds another's there opens nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import ConsentRequired, FenceNotProven, PromotionRefused, StepFailed, WitnessUnreachable
from drstack.recovery.admission import bring_up_to
from drstack.recovery.operation import unfinished
from drstack.witness.assignment import WithoutWitness
from replicator.errors import ReplicatorError, Sealed

if TYPE_CHECKING:
    from collections.abc import Collection

    from drstack.recovery.plan import Given
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
WITHOUT = "without-witness"
"""The kind of the consent, with the target."""


def consent_to(given: Given, target: str, *, leased: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The consent, where it was given. ConsentRequired without a reason; PromotionRefused where it cannot be."""
    if not given.without_witness:
        return ()
    require_reason(given.reason)
    if given.skip_fence:
        raise PromotionRefused(
            "without the witness every fence has to be proven: none can be left out",
            hint="The same command without --skip-fence.",
        )
    if leased:
        raise PromotionRefused(
            f"{', '.join(sorted(leased))} run under leases, which only the witness gives: nothing would start",
            hint="Move the witness instead: another `witness:` in the environment file, then drstack witness repair ENV.",
        )
    return ((WITHOUT, target),)


def require_reason(reason: str | None) -> None:
    """ConsentRequired."""
    if not reason:
        raise ConsentRequired("going on without the witness needs a reason", hint="Add: --reason '…'")


def consented(plan: Doc) -> bool:
    return any(kind == WITHOUT for kind, _ in plan["consents"])


def mark(plan: Doc, operation: str) -> WithoutWitness | None:
    """What the parts of an assignment say that is made so; None for any other."""
    if not consented(plan):
        return None
    return WithoutWitness(operation=operation, reason=plan.get("reason") or "", by=str(plan.get("by", "")))


def require_proven(plan: Doc, fenced: Doc) -> None:
    """FenceNotProven where that is not enough without the witness. Nothing was sealed then; trying again fences again."""
    row = fenced["fence"]
    if consented(plan) and row["grade"] != "proven":
        raise FenceNotProven(
            f"{row['site']}: {row['grade']} ({row['proof']}); without the witness nothing goes on before that is proven",
            hint="Have its machine, and its supervisor there, answer again, so that it can say that nothing runs (drstack up ENV "
            f"--site {row['site']} --refresh starts that), and run the same command again: it stops what runs there. "
            "Or move the witness: docs/operations/witness.md.",
        )


def open_in_order(world: World, assignment: Assignment, plan: Doc) -> dict[str, str]:
    """Open the new term in every repository within reach. Per repository, how it ended.

    PromotionRefused where another opened this very term, and a person has to decide; StepFailed where the target's own
    cannot be opened.
    """
    ended: dict[str, str] = {}
    for site, repository in sorted(world.repositories.items()):
        try:
            for workload in plan["workloads"]:
                bring_up_to(assignment, workload["name"], repository)
        except Sealed as error:
            raise PromotionRefused(
                f"{site}: {error}: somebody else has gone on without the witness, or with it",
                hint="Nothing was started here. Find out which of the two runs; the other one's site stays fenced.",
            ) from error
        except ReplicatorError as error:
            if site == plan["target"]:
                raise StepFailed(f"{site}'s repository could not be opened: {error}") from error
            ended[site] = f"not open: {error}"
        else:
            ended[site] = "open"
    return ended


def require_away(witness: Witness, stand_in: Witness) -> None:
    """PromotionRefused where the witness answers, unless an operation that went on without it has assigned already."""
    try:
        current = witness.current()
    except WitnessUnreachable:
        return
    running = unfinished(stand_in) if stand_in.current() is not None else None
    if running is not None and running.outcome("assign") is not None:
        return
    environment = witness.environment
    raise PromotionRefused(
        f"the witness {witness.url} answers: nothing goes on without it",
        hint=f"drstack promote {environment} --to SITE"
        if current is not None
        else f"It is empty: drstack witness repair {environment} --plan",
    )
