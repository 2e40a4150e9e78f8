"""The replicator service of one site: intake, one worker per destination, a keeper; one status file.

It writes a workload only while the newest `open` of its own site's log names this site, in that term. Losing sight of
anything never deletes anything.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError, RepositoryUnknown, StoreError
from replicator.repository.repository import Repository, random_token
from replicator.service.intake import Intake
from replicator.service.keeping import Keeping
from replicator.service.shipping import Shipping
from replicator.service.spool import Spool
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import LogView
    from replicator.service.config import ServiceConfig, WatchedWorkload

_log = structlog.get_logger("replicator")
_HISTORY = 3
_STILL_S = 1.0
"""How long a checkpoint without a file that is written last must stand still for a single look round."""


@dataclass(slots=True)
class _Workload:
    """One watched workload and its workers. `ended_term`: the last term in which this writer met a seal.

    `peers` are the destinations as the main thread reads them, to number after a lost spool.
    """

    watched: WatchedWorkload
    own: Repository
    peers: list[Repository]
    intake: Intake
    spool: Spool
    shippers: list[Shipping]
    keeping: Keeping
    wake: list[threading.Event]
    ended_term: int = 0
    why: str | None = None
    term: int = 0
    role: str = "unknown"
    trouble: str | None = None
    primed: bool = False

    def look(self) -> None:
        """One round: who writes, what is new, what can go."""
        view = self.own.log(self.watched.name).view()
        self._know(view)
        if self.role != "writer":
            return
        self._number()
        self._prime(view)
        if self.intake.look(self.term, [accepted.what for accepted in view.accepted.values()]):
            for event in self.wake:
                event.set()
        self.spool.forget_delivered(shipper.repository.name for shipper in self.shippers)

    def _know(self, view: LogView) -> None:
        opened = view.opened.get(view.term)
        self.term = view.term
        self.spool.born(view.term)
        writes = opened is not None and view.writable and opened.writer == self.own.name
        self.role = "writer" if writes and view.term > self.ended_term else "standby"

    def _number(self) -> None:
        """With a spool that is younger than the term, go on above what any destination holds of it."""
        if self.spool.numbers(self.term):
            return
        highest = 0
        for peer in self.peers:
            try:
                peer.format()
                heads = peer.log(self.watched.name).view().heads()
            except (StoreError, RepositoryUnknown) as error:
                raise ReplicatorError(
                    f"term {self.term} began before this spool, and {peer.name} cannot say what was numbered: {error}",
                    hint=f"Bring {peer.name} back, or take it out of the configuration.",
                ) from error
            highest = max(highest, heads.get(str(self.term), 0))
        self.spool.number_above(self.term, highest)

    def _prime(self, view: LogView) -> None:
        if self.primed:
            return
        for accepted in [a for a in view.in_order() if not a.what.suspect][-_HISTORY:]:
            try:
                self.intake.remember(accepted.what.id(), self.own.manifest(accepted.where.manifest).tensors)
            except ReplicatorError as error:
                _log.warning("history not read", step=accepted.what.step, why=str(error))
        self.primed = True

    @property
    def ended_why(self) -> str | None:
        """Why the current term ended for this writer; None while it goes on."""
        return self.why if self.term <= self.ended_term else None

    def sealed(self, term: int, why: str) -> None:
        """Terms up to `term` are over. A later one that is open here is not touched."""
        if self.ended_term < term:
            _log.warning("writer sealed", workload=self.watched.name, term=term, why=why)
            self.why, self.ended_term = why, term
        if self.term <= self.ended_term:
            self.role = "standby"
        self.spool.refuse(term, [shipper.repository.name for shipper in self.shippers], why)


class Service:
    """Runs until `stop` is set. All threads are its own."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._workloads = [self._build(watched) for watched in config.workloads]
        self._started_at = time.time()

    def run(self, stop: threading.Event) -> None:
        threads = [threading.Thread(target=self._status_loop, args=(stop,), daemon=True)]
        for workload in self._workloads:
            workers = list(workload.shippers)
            threads += [threading.Thread(target=w.run, args=(stop,), daemon=True) for w in workers]
            if self._config.verify_own:
                threads.append(threading.Thread(target=workload.keeping.run, args=(stop,), daemon=True))
        for thread in threads:
            thread.start()
        _log.info("replicator started", site=self._config.site, workloads=[w.name for w in self._config.workloads])
        while not stop.wait(self._config.poll_s):
            self.look()
        for thread in threads:
            thread.join(timeout=10)
        self._write_status()

    def drain(self, report: Callable[[dict[str, object]], None], stop: threading.Event) -> str | None:
        """Take what is there (what stands still for a moment), ship it to every destination that answers, and end.

        Why a seal ended it, else None.
        """
        ends = time.monotonic() + self._config.quiet_s + _STILL_S
        while not stop.is_set():
            before = self._progress()
            self.look()
            for workload in self._workloads:
                for shipper in workload.shippers:
                    shipper.ship_pending(stop)
            waits = any(workload.intake.waiting for workload in self._workloads)
            if self._progress() != before:
                continue
            if not waits or time.monotonic() >= ends:
                break
            stop.wait(max(self._config.poll_s, _STILL_S))
        self.look()
        report(self.status())
        return self._ended()

    def follow(
        self, report: Callable[[dict[str, object]], None], stop: threading.Event, changed: Callable[[], bool]
    ) -> str | None:
        """Run, reporting every commit, until `stop` is set, `changed` says so, or a seal ends every workload."""
        done = threading.Event()
        runner = threading.Thread(target=self.run, args=(done,), daemon=True)
        runner.start()
        seen: dict[tuple[str, str], int] = {}
        while not stop.wait(self._config.poll_s) and self._ended() is None and not changed():
            for workload in self._workloads:
                for shipper in workload.shippers:
                    key = (workload.watched.name, shipper.repository.name)
                    if shipper.status.committed != seen.get(key, 0):
                        seen[key] = shipper.status.committed
                        how = {"layout": workload.intake.layout, "certainty": workload.intake.certainty}
                        report({"workload": key[0], "destination": key[1], **how, **asdict(shipper.status)})
        done.set()
        runner.join(timeout=15)
        return self._ended()

    def _progress(self) -> list[tuple[str, int, int, int]]:
        return [
            (w.watched.name, len(w.spool.entries()), s.status.committed, s.status.refused)
            for w in self._workloads
            for s in w.shippers
        ]

    def _ended(self) -> str | None:
        whys = [workload.ended_why for workload in self._workloads]
        return whys[0] if whys and all(why is not None for why in whys) else None

    def look(self) -> None:
        for workload in self._workloads:
            try:
                workload.look()
                workload.trouble = workload.spool.trouble
            except (ReplicatorError, OSError) as error:
                if workload.trouble != str(error):
                    _log.warning("cannot look", workload=workload.watched.name, why=str(error))
                workload.trouble = str(error)

    def _build(self, watched: WatchedWorkload) -> _Workload:
        config = self._config
        spool = Spool(Path(config.spool) / watched.name)
        own_url = next(each.url for each in config.destinations if each.name == config.own)

        def repository(name: str, url: str) -> Repository:
            return Repository(name, open_store(url))

        keeping = Keeping(
            repository(config.own, own_url), watched.name, config.verifier or config.site, watched.keep,
            config.drop_grace_s, config.poll_s,
        )  # fmt: skip
        wake = [threading.Event() for _ in config.destinations]
        made = _Workload(
            watched, repository(config.own, own_url), [repository(each.name, each.url) for each in config.destinations],
            Intake(
                watched.name, Path(watched.path), spool, random_token, config.quiet_s,
                code=Path(watched.code) if watched.code else None,
            ), spool, [], keeping, wake,
        )  # fmt: skip
        made.shippers = [
            Shipping(repository(each.name, each.url), spool, event, made.sealed)
            for each, event in zip(config.destinations, wake, strict=True)
        ]
        return made

    def _status_loop(self, stop: threading.Event) -> None:
        while not stop.wait(min(1.0, self._config.poll_s)):
            try:
                self._write_status()
            except OSError as error:
                _log.error("status not written", path=self._config.status_file, why=str(error))

    def _write_status(self) -> None:
        path = Path(self._config.status_file)
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        staged.write_text(json.dumps(self.status()))
        staged.replace(path)

    def status(self) -> dict[str, object]:
        """What the status file says; its fields are named in docs/replicator.md."""
        return {
            "site": self._config.site, "pid": os.getpid(), "at": time.time(), "started_at": self._started_at,
            "workloads": {
                w.watched.name: {
                    "role": w.role, "term": w.term, "torn": w.intake.torn, "layout": w.intake.layout,
                    "certainty": w.intake.certainty, "passed_over": w.intake.passed_over, "trouble": w.trouble,
                    "sealed": w.ended_why, "pending": len(w.spool.entries()),
                    "verified": w.keeping.verified, "failed_receipts": w.keeping.failed,
                    "destinations": {s.repository.name: asdict(s.status) for s in w.shippers},
                }
                for w in self._workloads
            },
        }  # fmt: skip
