"""What a run came to: so that a test can say that the runs it made were worth making."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.schedule import Scheduler
    from tests.simulation.world import World

EVERY = frozenset({
    "an answer was lost", "a write was not sent", "a write was under way", "a late write landed", "somebody was killed",
    "three terms", "an acknowledgement in a later term", "two repositories acknowledged", "the set was changed",
    "a commit was void", "a checkpoint was dropped", "bytes were deleted", "a delta stood", "a loss was consented to",
    "an assignment was lost to another", "a term was ended without a commit",
    "a height was given out twice", "a checkpoint was encoded anew", "a commit named what was let go of",
})  # fmt: skip


def reached(world: World, scheduler: Scheduler) -> Iterator[str]:
    outcomes = {outcome for _, _, outcome in scheduler.trace}
    labels = [label for _, label, _ in scheduler.trace]
    assignments = world.assignments()
    views = [world.view(name) for name in world.repositories]
    claims = [(name, label) for name, label, _ in scheduler.trace if label.startswith("create W")]
    told = {
        "an answer was lost": "lost" in outcomes,
        "a write was not sent": "unsent" in outcomes,
        "a write was under way": "late" in outcomes,
        "a late write landed": any(label.endswith("lands") for label in labels),
        "somebody was killed": "stop" in outcomes,
        "three terms": len(assignments) > 2,
        "an acknowledgement in a later term": any(ack.commit.term > 1 for ack in world.acks),
        "two repositories acknowledged": any(len(ack.repositories) > 1 for ack in world.acks),
        "the set was changed": len({each.acknowledge for each in assignments}) > 1,
        "a commit was void": any(void.commit for view in views for void in view.void),
        "a checkpoint was dropped": any(view.dropped for view in views),
        "bytes were deleted": any(label.startswith("delete") for label in labels),
        "a delta stood": any(each.where.base for view in views for each in view.accepted.values()),
        "a loss was consented to": any(each.unknown for each in assignments),
        "an assignment was lost to another": len({label for _, label in claims}) < len({*claims}),
        "a checkpoint was encoded anew": any(view.replaced for view in views),
        "a commit named what was let go of": any(
            "was let go of" in void.reason for view in views for void in view.void if void.kind == "commit"
        ),
        "a height was given out twice": any(
            "names another" in void.reason for view in views for void in view.void if void.kind == "commit"
        ),
        "a term was ended without a commit": any(
            each.number > 1 and str(each.number - 1) not in each.heads for each in assignments
        ),
    }
    return (feature for feature, happened in told.items() if happened)
