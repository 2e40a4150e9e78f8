"""The replicator service of one site: for each workload an intake, one worker per destination, a keeper.

Threads are its own; what it does is written to one status file, and told to whoever listens.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError
from replicator.service.anchoring import FIRST_LOOK_S
from replicator.service.assembly import anchoring_of, build, keys_of, peer_watches, tiering_of, uplink_of, verifying_of
from replicator.service.config import needs_restart, with_objectives_of
from replicator.service.drain import drain
from replicator.service.health import Facts, lives, ready
from replicator.service.readings import readings
from replicator.service.room import make_room
from replicator.service.sizes import not_writable
from replicator.service.stall import StallAlarm
from replicator.service.status import status, write_status
from replicator.service.yielding import Pins, told_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.service.config import ServiceConfig
    from replicator.service.health import Health
    from replicator.service.metrics import Reading

_log = structlog.get_logger("replicator")
_JOIN_S = 5.0
_STILL_S = 1.0
"""How long a checkpoint without a file that is written last must stand still for a single look round."""


class Service:
    """Runs until `stop` is set. All threads are its own."""

    def __init__(self, config: ServiceConfig, told: Callable[[], ServiceConfig | None] = lambda: None) -> None:
        """`told`: the configuration where it changed since it was last asked for; objectives are taken from it."""
        self._config = config
        self._told = told
        self._uplink = uplink_of(config)
        self._keys = keys_of(config)
        self._workloads = [build(config, watched, self._uplink, self._keys) for watched in config.workloads]
        self._anchoring = anchoring_of(config, self._workloads, self._keys)
        self._verifying = verifying_of(config, self._workloads, self._uplink, self._keys, self._anchoring)
        self._pins = Pins(time.monotonic)
        self._alarms = [StallAlarm(each) for each in self._workloads]
        self._started_at = self._round_at = time.time()

    def run(self, stop: threading.Event, *, drains: Callable[[], bool] = lambda: True) -> None:
        """Until `stop` is set; then what can still be shipped is, for `drain_s` at most, if it `drains`."""
        ended = threading.Event()
        anchors = self._start_anchoring(ended)
        threads = [threading.Thread(target=run, args=(ended,), daemon=True) for run in self._runners()]
        for thread in threads:
            thread.start()
        threads += anchors
        _log.info("replicator started", site=self._config.site, workloads=[w.name for w in self._config.workloads])
        while not stop.wait(self._config.poll_s):
            self.look()
        if drains():
            drain(self._workloads, self.look, within_s=self._config.drain_s)
        ended.set()
        self._uplink.close()
        for workload in self._workloads:
            for wake in workload.wake:
                wake.set()
        ends = time.monotonic() + _JOIN_S
        for thread in threads:
            thread.join(timeout=max(0.0, ends - time.monotonic()))
        write_status(Path(self._config.status_file), self.status())

    def _runners(self) -> list[Callable[[threading.Event], None]]:
        """What goes on beside the looks, each in a thread of its own until its event is set."""
        runners: list[Callable[[threading.Event], None]] = [self._status_loop]
        for workload in self._workloads:
            runners += [shipper.run for shipper in workload.shippers]
            if self._config.verify_own:
                runners.append(workload.keeping.run)
        runners += [watch.run for watch in peer_watches(self._config, self._workloads, self._uplink, self._keys)]
        if self._verifying is not None:
            runners.append(self._verifying.run)
        tiering = tiering_of(self._config, self._keys)
        if tiering is not None:
            runners.append(tiering.run)
        return runners

    def _start_anchoring(self, ended: threading.Event) -> list[threading.Thread]:
        """Nothing is written before the anchors were asked, unless the witness is slow to answer."""
        if self._anchoring is None:
            return []
        thread = threading.Thread(target=self._anchoring.run, args=(ended,), daemon=True)
        thread.start()
        self._anchoring.looked.wait(FIRST_LOOK_S)
        return [thread]

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
        runner = threading.Thread(target=self.run, args=(done,), kwargs={"drains": stop.is_set}, daemon=True)
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
        runner.join(timeout=self._config.drain_s + 2 * _JOIN_S)
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
        self._round_at = time.time()
        self._take_objectives()
        for alarm in self._alarms:
            alarm.look(self._round_at)
        for workload in self._workloads:
            try:
                workload.look()
                workload.trouble = workload.spool.trouble
            except (ReplicatorError, OSError) as error:
                if workload.trouble != str(error):
                    _log.warning("cannot look", workload=workload.watched.name, why=str(error))
                workload.trouble = str(error)
        self._yield_to_restores()
        if self._config.spool_limit_bytes is not None:
            make_room(self._workloads, self._config.spool_limit_bytes)

    def _take_objectives(self) -> None:
        try:
            newer = self._told()
        except ReplicatorError as error:
            _log.warning("the configuration stays as it was", why=str(error))
            return
        if newer is None:
            return
        self._config = with_objectives_of(self._config, newer)
        by_name = {each.name: each for each in self._config.workloads}
        for workload in self._workloads:
            workload.watched = by_name[workload.watched.name]
        if needs_restart(self._config, newer):
            _log.warning("of the new configuration only the objectives are taken up before a restart")

    def _yield_to_restores(self) -> None:
        file = Path(self._config.hold_file) if self._config.hold_file else Path(self._config.spool) / "hold"
        whys = [told_by(file, time.time())]
        whys += [self._pins.reason(each.watched.name, each.pins) for each in self._workloads]
        why = next((each for each in whys if each is not None), None)
        if (why is None) != (self._uplink.held is None):
            _log.warning("sending stops" if why else "sending goes on", destination="all", why=why)
            self._uplink.hold(why)

    def _status_loop(self, stop: threading.Event) -> None:
        while not stop.wait(min(1.0, self._config.poll_s)):
            try:
                write_status(Path(self._config.status_file), self.status())
            except OSError as error:
                _log.error("status not written", path=self._config.status_file, why=str(error))

    def status(self) -> dict[str, object]:
        """What the status file says."""
        return status(
            self._config.site, self._workloads, started_at=self._started_at, anchoring=self._anchoring,
            verifying=self._verifying,
        )  # fmt: skip

    def readings(self) -> Iterator[Reading]:
        """The metrics now."""
        return readings(self._alarms, self._uplink, time.time(), self._anchoring, self._verifying)

    def lives(self) -> Health:
        return lives(self._facts(), time.time())

    def ready(self) -> Health:
        return ready(self._facts(), time.time())

    def _facts(self) -> Facts:
        contacts: dict[str, float | None] = {each.name: None for each in self._config.destinations}
        for workload in self._workloads:
            for shipper in workload.shippers:
                known = [at for at in (contacts[shipper.repository.name], shipper.meter.contact_at) if at is not None]
                contacts[shipper.repository.name] = max(known, default=None)
        looked = {each.watched.name: each.looked_at for each in self._workloads}
        return Facts(self._round_at, looked, not_writable(Path(self._config.spool)), contacts)
