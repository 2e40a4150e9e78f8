"""Holds the leases of what a local site writes: `python -m drstack.platforms.local.holder --site FOLDER`.

A program under supervisord. It renews each lease on the witness, counting from before it sent the renewal, and writes
until when what trains may run; slots end what runs longer, and so does this process, so that either may stand still.
Invariant: a workload that another site writes is not wanted here any more, whoever did not get to fence it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from drstack.errors import ActuatorFailed, DrstackError, LeaseLost
from drstack.platforms.local import lease, processes
from drstack.platforms.local.atomic import read_json
from drstack.platforms.local.desired import Desired, change, read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.ownership import read_record
from drstack.platforms.local.tether import die_with
from drstack.recovery.operation import parse
from drstack.witness.witness import Witness
from replicator.errors import ReplicatorError
from replicator.repository.repository import random_token
from replicator.stores.deadline import DeadlineStore
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.platforms.local.lease import HolderConfig
    from drstack.witness.assignment import Assignment
    from drstack.witness.leases import LeaseLog

TURN_S = 0.5
GUARD_S = 0.1
LIMIT_S = 10.0
NOTHING = lease.Held(term=0, until=0.0)
_log = structlog.get_logger("leases")


class Holder:
    """The leases of one site. `now`: seconds of a clock that nobody sets."""

    def __init__(
        self,
        folder: SiteFolder,
        site: str,
        config: HolderConfig,
        witness: Witness,
        *,
        now: Callable[[], float] = lease.now,
    ) -> None:
        self._folder = folder
        self._site = site
        self._config = config
        self._witness = witness
        self._now = now
        self._held = {name: each for name, each in _read(folder).items() if name in config.workloads}
        self._logs: dict[str, LeaseLog] = {}
        self._due: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def turn(self) -> None:
        """Look who writes, renew what is due, and give up what is another's. Never raises for a witness that is away."""
        try:
            every = self._witness.assignments()
        except (DrstackError, ReplicatorError) as error:
            self._say("", f"the witness cannot be read: {error}")
            return
        self._say("", "the witness answers")
        for name in self._config.workloads if every else ():
            try:
                self._turn(name, every)
            except LeaseLost as error:
                self._give_up(name, str(error))
            except (DrstackError, ReplicatorError, OSError) as error:
                self._say(name, f"not renewed: {error}")

    def _turn(self, name: str, every: Sequence[Assignment]) -> None:
        part = every[-1].workloads.get(name)
        if part is None:
            return
        held = self._held.get(name, NOTHING)
        if held.generation and any(each.writer(name) != self._site for each in every[held.term - 1 :]):
            self._give_up(name, "another site wrote it since")
            self._demote(name, held.generation)
            held = self._keep(name, lease.Held(term=held.term, until=0.0))
        if part.writer != self._site:
            self._give_up(name, f"{part.writer} writes it")
        elif held.term != part.term or self._now() >= self._due.get(name, 0.0):
            self._renew(name, part.term, held)

    def _renew(self, name: str, term: int, held: lease.Held) -> None:
        sent = self._now()
        for_s = max(self._config.ttl_s, held.until - sent)  # slots may go on by an earlier lease, of a longer ttl
        log = self._logs.setdefault(name, self._witness.leases(name))
        written = log.hold(site=self._site, term=term, for_s=for_s, over=self._is_over)
        self._due[name] = sent + self._config.renew_s
        until = max(held.until, sent + self._config.ttl_s)
        self._keep(name, lease.Held(term=term, until=until, generation=self._generation(name)))
        self._say(name, f"held in term {term}", n=written.n)

    def _generation(self, name: str) -> int:
        job = (read_desired(self._folder) or Desired(0)).jobs.get(name)
        return job.generation if job is not None else 0

    def _demote(self, name: str, generation: int) -> None:
        """Have no start of it wanted any more that was made while this site wrote it; a later one stands."""

        def decide(now: Desired | None) -> Desired:
            job = (now or Desired(0)).jobs.get(name)
            if now is None or job is None or job.generation > generation:
                return now or Desired(0)
            return now.with_job(name, replace(job, running=False))

        if self._folder.desired.exists():
            change(self._folder, decide)

    def _keep(self, name: str, held: lease.Held) -> lease.Held:
        self._held[name] = held
        lease.write_held(self._folder, self._held)
        return held

    def _is_over(self, operation: str) -> bool:
        return self._witness.journal(*parse(operation)).ended() is not None

    def _give_up(self, name: str, why: str) -> None:
        held = self._held.get(name)
        if held is not None and held.until:
            self._keep(name, held.model_copy(update={"until": 0.0}))
        self._say(name, f"not held: {why}")

    def _say(self, name: str, what: str, **more: object) -> None:
        if self._said.get(name) != what:
            self._said[name] = what
            _log.info("lease", workload=name, said=what, **more)


def guard(folder: SiteFolder, workloads: tuple[str, ...]) -> list[int]:
    """End ranks of what may not run, should their slots stand still. Returns their process ids."""
    over = {name for name in workloads if not lease.may_run(folder, name)}
    found: list[int] = []
    for path in folder.run.glob("slot-*.json") if over else ():
        try:
            shown = read_json(path) or {}
        except (ActuatorFailed, OSError):
            continue
        child = shown.get("child")
        if shown.get("workload") in over and isinstance(child, int):
            found.append(child)
    processes.kill(found, folder)
    return found


def _read(folder: SiteFolder) -> dict[str, lease.Held]:
    try:
        return lease.read_held(folder)
    except ActuatorFailed:
        return {}


def _guarding(folder: SiteFolder, workloads: tuple[str, ...]) -> None:
    while True:
        guard(folder, workloads)
        time.sleep(GUARD_S)


def _leave(_number: int, _frame: object) -> None:
    """At once; the lease lasts until its end, for whoever holds it next here."""
    os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds the leases of a local site.")
    parser.add_argument("--site", required=True)
    folder = site_folder(parser.parse_args().site)
    die_with(os.getppid())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    config, record = lease.read_config(folder), read_record(folder)
    if config is None or record is None:
        sys.stderr.write(f"{folder.path}: the holder was told nothing\n")
        return 1
    store = DeadlineStore(open_store(config.witness), limit_s=min(LIMIT_S, config.ttl_s / 3))
    holder = Holder(
        folder, record.site, config, Witness(store, config.environment, clock=time.time, token=random_token)
    )
    threading.Thread(target=_guarding, args=(folder, config.workloads), daemon=True).start()
    while True:
        holder.turn()
        time.sleep(min(TURN_S, config.renew_s / 4))


if __name__ == "__main__":
    sys.exit(main())
