"""Steady requests from a client's side: one every tenth of a second through the router, each with a timeout, all counted.

Decides what counts: an answer of 200 is one; anything else, silence included, is a failure, once the client has no
patience left to ask again. Invariant: a request is sent when its time has come, whatever became of those before it.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 4.0
AGAIN_S = 0.2
_AT_ONCE = 64
_BODY = json.dumps({"prompt": "The meaning of a checkpoint is ", "tokens": 1}).encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: when it was sent and ended (unix s), its status (None: no answer), and where the answer was made."""

    sent_at: float
    ended_at: float
    status: int | None
    site: str | None = None
    step: int | None = None
    asked: int = 1
    """How often the client asked until it had this."""

    @property
    def ok(self) -> bool:
        return self.status == http.client.OK


@dataclass(frozen=True, slots=True)
class Counted:
    """`longest_gap_s`: the longest time without a good answer, while requests were sent."""

    sent: int
    failed: int
    longest_gap_s: float
    by_site: Mapping[str, int] = field(default_factory=dict[str, int])

    def document(self) -> dict[str, object]:
        return {"sent": self.sent, "failed": self.failed, "longest_gap_s": round(self.longest_gap_s, 3)}


def count(outcomes: list[Outcome]) -> Counted:
    """What a client saw, from when it sent the first request until it had the last answer."""
    if not outcomes:
        return Counted(0, 0, 0.0)
    good = sorted(outcome.ended_at for outcome in outcomes if outcome.ok)
    edges = [min(each.sent_at for each in outcomes), *good, max(each.ended_at for each in outcomes)]
    by_site: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.ok and outcome.site:
            by_site[outcome.site] = by_site.get(outcome.site, 0) + 1
    gap = max(later - earlier for earlier, later in zip(edges, edges[1:], strict=False))
    return Counted(len(outcomes), sum(not outcome.ok for outcome in outcomes), gap, by_site)


def in_words(counted: Counted) -> str:
    """One line for people."""
    sites = ", ".join(f"{count} by {site}" for site, count in counted.by_site.items())
    return f"{counted.sent} sent, {counted.failed} failed, at most {counted.longest_gap_s:.1f} s without an answer" + (
        f"; answered: {sites}" if sites else ""
    )


class SteadyClient:
    """`patience_s`: how long a request that failed is asked again; 0: once. `sessions`: clients that keep their cookies."""

    def __init__(self, url: str, *, every_s: float = 0.1, patience_s: float = 0.0, sessions: int = 1) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._every_s = every_s
        self._patience_s = patience_s
        self._cookies: list[str | None] = [None] * sessions
        self._outcomes: list[Outcome] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[Outcome]:
        """Send no more, wait for the answers that are out, and return every outcome in the order of sending."""
        self._stop.set()
        self._thread.join(TIMEOUT_S + self._patience_s + 10.0)
        return sorted(self._outcomes, key=lambda outcome: outcome.sent_at)

    def so_far(self) -> list[Outcome]:
        return list(self._outcomes)

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="request") as pool:
            due, n = time.monotonic(), 0
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                pool.submit(self._request, n % len(self._cookies))
                due, n = due + self._every_s, n + 1

    def _request(self, session: int) -> None:
        sent_at, ends, asked = time.time(), time.monotonic() + self._patience_s, 0
        while True:
            asked += 1
            status, site, step = self.ask(session)
            if status == http.client.OK or time.monotonic() >= ends:
                break
            time.sleep(AGAIN_S)
        self._outcomes.append(Outcome(sent_at, time.time(), status, site, step, asked))

    def ask(self, session: int = 0) -> tuple[int | None, str | None, int | None]:
        """Ask once: status, site and step; the status is None where no whole answer came within TIMEOUT_S."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        cookie = self._cookies[session]
        headers = {"Content-Type": "application/json", **({"Cookie": cookie} if cookie else {})}
        try:
            connection.request("POST", "/generate", _BODY, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return None, None, None
        finally:
            connection.close()
        given = answer.headers.get_all("Set-Cookie")
        if given:
            self._cookies[session] = given[-1].partition(";")[0]
        step = answer.getheader("X-Drstack-Step")
        return answer.status, answer.getheader("X-Drstack-Site"), int(step) if step and step.isdigit() else None
