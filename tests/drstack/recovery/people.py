"""People who approve, each with a key of their own, and operators who hold some of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drstack.custody.make import extend
from drstack.custody.people import home_of
from drstack.recovery import approving
from drstack.recovery.acting import OwnStep, Said
from drstack.recovery.plan import Given
from drstack.recovery.quorum import Quorum
from replicator.crypto.founding import Wanted
from replicator.crypto.keyring import Keyring
from replicator.crypto.statements import make_statement
from tests.drstack.recovery.world import Rig

if TYPE_CHECKING:
    from drstack.recovery.acting import Context
    from drstack.recovery.quorum import Subject
    from drstack.recovery.world import World

BY = Given(by="test")
TWO = Quorum(("alice", "bob", "carol"), 2, 900.0, ("alice",))


def in_anothers_name(keys: Keyring, signer: str, of: str, subject: Subject, **said: object) -> dict:
    """A word of payload type `of` that names `said["person"]`, signed by a program of one's own with `signer`'s key."""
    told = {
        "environment": subject.environment, "environment_id": subject.environment_id, "kind": subject.kind,
        "plan": subject.plan, "id": "x" * 8, "at": time.time(), **said,
    }  # fmt: skip
    return make_statement(keys, keys.trust.key(f"approver@{signer}"), of, told)


class Telling:
    """Carries out nothing but notices, and remembers them."""

    def __init__(self, told: list[tuple[str, str]]) -> None:
        self.told = told

    def tell(self, definition: dict, context: Context, message: dict) -> Said:
        del definition
        self.told.append((message["moment"], f"{context.operation}: {message['text']}"))
        return Said("done", "told")


@dataclass
class Office:
    """An encrypted rig where a promotion takes two of three people. `ahead_s`: how far each clock is ahead."""

    rig: Rig
    quorums: dict[str, Quorum] = field(default_factory=lambda: {"promote": TWO})
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hire("alice", "bob", "carol", "mallory")

    def hire(self, *people: str, key: str = "approver@{}") -> None:
        wanted = [Wanted(key.format(name), "approver", f"people/{name}") for name in people]
        extend(self.rig.keys, wanted)

    def world(self, *people: str, ahead_s: float = 0.0, **changed: object) -> World:
        """As somebody has it who holds the keys of these people besides the operator's."""
        folder = self.rig.keys.folder
        keys = Keyring(folder, also=[home_of(folder, name) for name in people])
        made = replace(
            self.rig.world(), keys=keys, quorums=self.quorums, clock=lambda: time.time() + ahead_s,
            own=[OwnStep("tell", "notify", {}, when=("end",))], actions=Telling(self.told),
        )  # fmt: skip
        return replace(made, **changed)

    def approve(self, *people: str, **changed: object) -> approving.Asked | None:
        """Each of them approves the newest request of the assignment that stands."""
        stands = None
        for person in people:
            world = self.world(person, **changed)
            asked = approving.requests(world, world.witness.current().number)[-1]
            stands = approving.approve(world, asked, person)
        return stands
