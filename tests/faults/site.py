"""A site whose replicator is a real process, and a reader that looks at its repositories all the time."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.errors import DataCorrupt, StoreError
from replicator.log.covering import settle
from replicator.log.entries import Open
from replicator.repository.repository import Repository
from replicator.repository.verify import check_decoded
from replicator.service.config import Destination, read_config
from replicator.stores.local import LocalStore
from tests.faults.storm import credentials
from tests.replicator.service.test_service import config, repository, save

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.model import CommitId
    from replicator.service.config import ServiceConfig
    from tests.faults.storm import Storm

NAMES = ("east", "west")
STARTED: list[subprocess.Popen[bytes]] = []
"""Processes that a test started; those that still run are ended with it."""


@dataclass(slots=True)
class Site:
    """`east`, which writes to its own repository and to `west`, both buckets of a storm where there is one."""

    root: Path
    storm: Storm | None = None
    process: subprocess.Popen[bytes] | None = None
    saved: list[int] = field(default_factory=list)

    def prepare(self, **more: object) -> Site:
        """Repositories, and the configuration of the service."""
        (self.root / "east").mkdir(exist_ok=True)
        for name in NAMES:
            repository(self.stores / name, name)
        settings = config(self.root)
        if self.storm is not None:
            there = tuple(Destination(name=name, url=self.storm.url(name)) for name in NAMES)
            settings = settings.model_copy(update={"destinations": there})
        self.configure(settings.model_copy(update=more))
        return self

    def configure(self, settings: ServiceConfig) -> None:
        self.settings.write_text(settings.model_dump_json())

    def redirect(self, name: str, destination: Destination) -> None:
        """Send to `destination` what went to `name`."""
        settings = read_config(self.settings)
        there = tuple(destination if each.name == name else each for each in settings.destinations)
        self.configure(settings.model_copy(update={"destinations": there}))

    @property
    def stores(self) -> Path:
        return self.root / "stores" if self.storm is None else self.storm.folder

    @property
    def settings(self) -> Path:
        return self.root / "config.json"

    def here(self, name: str) -> Repository:
        """The repository as it lies on the disk, whatever the network does."""
        return Repository(name, LocalStore(self.stores / name))

    def start(self, *wrapper: str) -> subprocess.Popen[bytes]:
        """`wrapper`: what runs instead of `-m replicator`."""
        command = [sys.executable, *(wrapper or ("-m", "replicator")), "run", "--config", str(self.settings)]
        self.process = subprocess.Popen(
            command, stderr=(self.root / "stderr").open("ab"), env=credentials(), cwd=Path(__file__).parents[2]
        )
        STARTED.append(self.process)
        return self.process

    def is_up(self) -> bool:
        """Whether the process that was started last is at work."""
        file = self.root / "east.json"
        return self.process is not None and file.exists() and json.loads(file.read_text())["pid"] == self.process.pid

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def save(self, step: int) -> None:
        save(self.root, step)
        self.saved.append(step)

    def steps(self, name: str) -> list[int]:
        return [accepted.what.step for accepted in self.here(name).log("gpt").view().in_order()]

    def status(self) -> dict[str, object]:
        return json.loads((self.root / "east.json").read_text())["workloads"]["gpt"]

    def waiting(self) -> list[str]:
        """Entries in the spool."""
        return [each.name for each in (self.root / "east" / "spool" / "gpt").iterdir() if each.name[0].isdigit()]

    def begin_term(self, term: int, writer: str = "east") -> None:
        """As a promotion does: seal every repository, settle what stands, open the new term everywhere."""
        logs = {name: self.here(name).log("gpt") for name in NAMES}
        slots = {name: log.seal(term - 1, reason="promotion").n for name, log in logs.items()}
        views = {name: log.view() for name, log in logs.items()}
        assert all(slots[name] <= views[name].slots for name in NAMES)
        before = views["east"].opened[term - 1]
        head, runs = settle(views[name].counted(term - 1) for name in NAMES)
        heads, counters = dict(before.heads), dict(before.counters)
        if head:
            heads[str(term - 1)], counters[str(term - 1)] = head, runs
        entry = Open(term=term, writer=writer, heads=heads, counters=counters)
        for log in logs.values():
            log.open(entry)


class Reader:
    """Looks at every repository again and again: what is committed decodes at once, and never goes away."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.seen: dict[str, dict[CommitId, str]] = {name: {} for name in NAMES}
        """Per repository what was seen to stand: root by commit."""
        self.wrong: list[str] = []
        self.looks = 0
        self._stop = threading.Event()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reader]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(60)

    def look(self) -> None:
        for name in NAMES:
            there = self._site.here(name)
            for key, accepted in there.log("gpt").view().accepted.items():
                if key not in self.seen[name]:
                    self._judge(there, name, key, accepted)
        self.looks += 1

    def _judge(self, there: Repository, name: str, key: CommitId, accepted: object) -> None:
        verdict = check_decoded(there, accepted)  # type: ignore[arg-type]
        if not verdict.ok:
            self.wrong.append(f"{name}: {key} is torn: {verdict.reason}")
        self.seen[name][key] = accepted.what.root  # type: ignore[attr-defined]

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            try:
                self.look()
            except (StoreError, DataCorrupt) as error:
                self.wrong.append(f"the reader: {error!r}")


def is_sound(site: Site, reader: Reader, *, counters: int = 1) -> list[str]:
    """What is wrong at the end: torn, gone, or two contents under one name.

    Several who count in one term may give one name until the next promotion, which goes by who counted (docs/format.md):
    with `counters` above 1 a name is one together with its counter.
    """
    found = list(reader.wrong)
    roots: dict[tuple[CommitId, str], set[str]] = {}
    for name in NAMES:
        there = site.here(name)
        accepted = there.log("gpt").view().accepted
        found += [f"{name}: {key} was committed and is gone" for key in reader.seen[name] if key not in accepted]
        for key, each in accepted.items():
            roots.setdefault((key, str(each.what.counter) if counters > 1 else ""), set()).add(each.what.root)
            if not check_decoded(there, each).ok:
                found.append(f"{name}: {key} does not decode")
        steps = [each.what.step for each in accepted.values()]
        if len(steps) > len(set(steps)):
            found.append(f"{name}: shipped twice: {steps}")
    return found + [f"{key} names two checkpoints" for (key, _), each in roots.items() if len(each) > 1]


def until(condition, within_s: float) -> bool:
    """Whether it came about."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.05)
    return False
