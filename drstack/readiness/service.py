"""The service behind `drstack serve`: judges again and again, and tells whoever asks.

Invariant: nothing that is away, damaged or refused ends it; an error that nobody foresaw is logged with its trace, counted,
and looked at again.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from drstack.errors import DrstackError
from drstack.readiness.finding import counts
from drstack.readiness.gathering import nothing_seen
from drstack.readiness.judge import judge
from drstack.readiness.looking import Looked
from drstack.readiness.metrics import METRICS, readings
from drstack.readiness.words import sentences
from replicator.service.health import Health
from replicator.service.http import JSON, Page, of_health
from replicator.service.metrics import Reading, exposition

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.looking import Looking

_log = structlog.get_logger("readiness")
_SLOW_S = 120.0
"""A look that takes longer, on top of the time between two, hangs."""
_STALE_LOOKS = 3
"""A judgement older than so many times the time between two is none of now."""
Doc = dict[str, Any]


class Service:
    """Runs until `stop` is set. One thread looks; answers come from what it found last."""

    def __init__(self, looking: Looking, *, every_s: float, clock: Callable[[], float] = time.time) -> None:
        self._looking = looking
        self._every_s = every_s
        self._clock = clock
        self._began_at = clock()
        self._last: Looked | None = None
        self._took_s = 0.0
        self._judgements = self._failed = 0
        self._known: dict[tuple[str, str | None, str | None], Finding] = {}

    def run(self, stop: threading.Event) -> None:
        _log.info("serving", environment=self._looking.environment, every_s=self._every_s)
        while not stop.is_set():
            began = time.monotonic()
            self._turn()
            stop.wait(max(0.0, self._every_s - (time.monotonic() - began)))
        _log.info("ended", environment=self._looking.environment, judgements=self._judgements)

    def _turn(self) -> None:
        self._began_at = self._clock()
        began = time.monotonic()
        try:
            looked = self._looking.look()
        except Exception as error:  # noqa: BLE001 - a service loop: recorded with its trace, and looked at again
            _log.exception("could not look", environment=self._looking.environment)
            name = self._looking.environment
            unforeseen = DrstackError(f"{type(error).__name__}: {error}", hint=f"drstack status {name} shows it too.")
            looked = Looked(judge(nothing_seen(name, name, self._clock(), unforeseen)), error=unforeseen)
        self._took_s = time.monotonic() - began
        self._judgements += 1
        self._failed += looked.error is not None
        self._say(looked)
        self._last = looked

    def _say(self, looked: Looked) -> None:
        """What came and what went since the last judgement, and every change of the score."""
        readiness, last = looked.readiness, self._last
        now = {(each.id, each.workload, each.site): each for each in readiness.findings}
        for key in now.keys() - self._known.keys():
            each = now[key]
            tell = _log.info if each.severity == "note" else _log.warning
            tell(
                "found", finding=each.id, severity=each.severity, workload=each.workload, site=each.site, what=each.what,
                remedy=each.remedy,
            )  # fmt: skip
        for key in self._known.keys() - now.keys():
            _log.info("gone", finding=key[0], workload=key[1], site=key[2])
        self._known = now
        if last is None or last.readiness.score != readiness.score:
            _log.info(
                "judged", score=readiness.score, was=last.readiness.score if last else None, ready=readiness.ready,
                **counts(readiness.findings), took_s=round(self._took_s, 3),
            )  # fmt: skip

    def pages(self) -> dict[str, Callable[[], Page]]:
        return {
            "/metrics": lambda: Page(200, CONTENT_TYPE_LATEST, exposition(self.readings, METRICS)),
            "/healthz": lambda: of_health(self.lives()),
            "/readyz": lambda: of_health(self.ready()),
            "/readiness.json": self._page,
        }

    def readings(self) -> Iterator[Reading]:
        here = (self._looking.environment,)
        yield Reading("drstack_judgements_total", here, self._judgements)
        yield Reading("drstack_looks_failed_total", here, self._failed)
        last = self._last
        if last is not None:
            yield Reading("drstack_judgement_duration_seconds", here, self._took_s)
            yield from readings(last.readiness, last.drills)

    def lives(self) -> Health:
        """Whether the loop comes round: a look that hangs shows here."""
        silent_s = self._clock() - self._began_at
        ok = silent_s <= self._every_s + _SLOW_S
        return Health(ok, {"alive": ok, "last_look_began_s": round(silent_s, 1)})

    def ready(self) -> Health:
        """Whether there is a judgement of now; not whether it is a good one, which no restart would better."""
        last = self._last
        age_s = None if last is None else self._clock() - last.readiness.at
        ok = age_s is not None and age_s <= _STALE_LOOKS * self._every_s + _SLOW_S
        return Health(ok, {"ready": ok, "judged_s_ago": None if age_s is None else round(age_s, 1)})

    def _page(self) -> Page:
        last = self._last
        if last is None:
            return Page(503, JSON, b'{"why": "nothing was judged yet"}\n')
        document: Doc = {
            "environment": self._looking.environment,
            "sentences": sentences(last),
            **last.readiness.document(),
        }
        return Page(200, JSON, json.dumps(document).encode() + b"\n")
