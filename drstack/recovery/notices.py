"""Tells whom the environment file names of an operation's begin, its end and its failures.

Invariant: telling keeps nothing waiting and nothing from succeeding. What came of it is in the journal; what could not be
told within its time, or not recorded, is said in the progress. A notice may be given twice, with the same token, never
silently not at all.
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

from drstack.errors import DrstackError
from drstack.recovery.owning import context_of

if TYPE_CHECKING:
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
_SPARE_S = 2.0
BROKEN = "break-glass"
"""The moment of which everybody is told who is told of any."""
_WORDS = {
    "begin": "begins", "end": "has ended", "failed": "is not finished", BROKEN: "goes on WITHOUT APPROVALS, glass broken by",
}  # fmt: skip


class Notices:
    """Those of one operation, for one operator."""

    def __init__(self, world: World, journal: Journal, plan: Doc) -> None:
        self._world, self._journal, self._plan = world, journal, plan
        self._under_way: list[tuple[Thread, float]] = []

    def give(self, moment: str, why: str = "") -> None:
        """Begin to tell of this moment. Begin and end are told once, a failure each time."""
        if self._world.actions is None:
            return
        for notice in self._plan.get("notices", ()):
            if moment == BROKEN or moment in notice["when"]:
                thread = Thread(target=self._tell, args=(notice, moment, why), daemon=True)
                thread.start()
                self._under_way.append((thread, float(notice["timeout_s"]) + _SPARE_S))

    def wait(self) -> None:
        """Until all is told, or its time is up: the process may end after this."""
        for thread, longest_s in self._under_way:
            thread.join(longest_s)
        self._under_way = []

    def _tell(self, notice: Doc, moment: str, why: str) -> None:
        name, actions = str(notice["name"]), self._world.actions
        try:
            if actions is None or (moment != "failed" and self._told(name, moment)):
                return
            context = context_of(self._plan, self._journal, name, float(notice["timeout_s"]))
            text = f"drstack: {self._plan.get('kind', 'promote')} of {context.environment} to {context.target} {_WORDS[moment]}"
            between = " " if moment == BROKEN else ": "
            message = {"moment": moment, "text": f"{text}{between}{why}" if why else text, "why": why or None}
            said = actions.tell(notice["definition"], context, message)
            self._journal.write(
                "told",
                {
                    "notice": name,
                    "moment": moment,
                    "at": self._world.clock(),
                    "told": said.word == "done",
                    "detail": said.detail,
                },
            )
            if said.word != "done":
                self._world.progress.end(f"notice {name}", 0.0, f"NOT told of {moment}: {said.detail}")
        except DrstackError as error:
            self._world.progress.end(f"notice {name}", 0.0, f"{moment} could not be recorded: {error}")

    def _told(self, name: str, moment: str) -> bool:
        return any(
            record.kind == "told"
            and record.body["notice"] == name
            and record.body["moment"] == moment
            and record.body["told"]
            for record in self._journal.records()
        )
