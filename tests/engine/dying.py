"""Has a process SIGKILL itself at one record of a journal.

`when` is `after` (the record has just been written), `before` (it is about to be: what it tells of was done), or `within`:
the record is the intent of a step, and the first thing that the step then changes in the world is its last.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from drstack.platforms.local import desired, fence, jobs, pool, site
from drstack.reconcile.run import Engine
from replicator.log.slots import SlotLog

JOURNALS = ("/operations/", "/drills")
ENGINE_RUNS_S = 2.0


class Death:
    """What is waited for, and whether the step has begun in which it strikes."""

    def __init__(self, when: str, kind: str, step: str, nth: int) -> None:
        self.when, self.wanted, self.left = when, (kind, step), nth
        self.armed = threading.Event()
        self.lock = threading.Lock()

    def holds(self, kind: str, body: dict) -> bool:
        parts = body["records"] if kind == "several" else [{"kind": kind, "body": body}]
        return any((part["kind"], told(part["body"])) == self.wanted for part in parts)

    def about_to_write(self, kind: str, body: dict) -> None:
        if self.when == "before" and self.left == 1 and self.holds(kind, body):
            strike()
        if self.armed.is_set() and kind != "intent":
            strike()  # the step changed nothing: it dies before it says so

    def wrote(self, kind: str, body: dict) -> None:
        if not self.holds(kind, body):
            return
        with self.lock:
            self.left -= 1
            if self.left:
                return
        if self.when == "after":
            strike()
        if self.when == "within":
            self.armed.set()

    def changed(self) -> None:
        if self.armed.is_set():
            strike()


def told(body: dict) -> str:
    return str(body.get("workload") or body.get("step") or "")


def strike() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def watch_logs(death: Death) -> None:
    append = SlotLog.append

    def watched(self, decide, *, eager=False):
        if not any(part in self.name for part in JOURNALS):
            record = append(self, decide, eager=eager)
            death.changed()
            return record

        def deciding(records):
            decision = decide(records)
            if decision is not None:
                death.about_to_write(*decision)
            return decision

        record = append(self, deciding, eager=eager)
        if record is not None:
            death.wrote(record.kind, dict(record.body))
        return record

    SlotLog.append = watched


def watch_actuators(death: Death) -> None:
    """A site's desired state is what actuators turn first; what follows from it is left to whoever comes next."""
    change = desired.change

    def watched(folder, decide):
        made = change(folder, decide)
        death.changed()
        return made

    for module in (desired, fence, jobs, pool, site):
        if getattr(module, "change", None) is change:
            module.change = watched


def watch_engine(death: Death) -> None:
    operate = Engine._operate

    def watched(self, *arguments, **options):
        if death.armed.is_set():
            threading.Timer(ENGINE_RUNS_S, strike).start()
        return operate(self, *arguments, **options)

    Engine._operate = watched


def arm(when: str, kind: str, step: str, nth: int) -> None:
    """Have this process die there."""
    death = Death(when, kind, step, nth)
    for each in (watch_logs, watch_actuators, watch_engine):
        each(death)
