"""Local sites of one environment, one of which writes: who does now, who stands by, and what must always hold."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from drstack.platforms.local.waiting import Deadline
from replicator.repository.repository import Repository
from replicator.stores.local import LocalStore
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, WAIT_S, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicator.model import CommitId

TWO = ENVIRONMENT.replace("rpo: 30s", "rpo: 20m").replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]")
THREE = TWO.replace("workloads:", "  north: {platform: local, slots: 3, capacity: 1}\nworkloads:")


class Sites(Project):
    def __init__(self, folder: Path, declared: str) -> None:
        super().__init__(folder)
        self.declare(declared)
        self.names = tuple(re.findall(r"^  (\w+): {platform", declared, re.MULTILINE))
        (self.root / "passphrase").write_text(self.environ()["PULUMI_CONFIG_PASSPHRASE"])

    def writer(self) -> str:
        current = self.witness.current()
        assert current is not None
        return current.writer("gpt")

    def others(self) -> list[str]:
        return [site for site in self.names if site != self.writer()]

    def up(self, *sites: str) -> None:
        """Each stands by, or writes, as the assignment says."""
        for site in sites:
            self.drstack("up", "local", "--site", site, "--refresh", "--yes")

    def promote(self, target: str, *more: str, exits: int = 0) -> tuple[dict, str]:
        """The end of it (nothing where it failed), and what was told."""
        out, err = self.told("promote", "local", "--to", target, "--yes", "--json", *more, exits=exits)
        return (json.loads(out) if out else {}), err

    def heal(self, told: str) -> None:
        """Type the command that an error named, word for word."""
        remedy = re.search(r"next: (drstack [^,;]+)", told)
        assert remedy, told
        self.drstack(*shlex.split(remedy[1])[1:], "--yes")

    def log(self, site: str):
        return Repository(site, LocalStore(self.site(site).store)).log("gpt").view()

    def writes_no_more(self, site: str) -> bool:
        """Whether the site's replicator knows, or comes to know, that another one writes."""
        file = self.site(site).replicator_status

        def told() -> bool:
            return json.loads(file.read_text())["workloads"]["gpt"]["role"] == "standby"

        return Deadline(WAIT_S).until(told, 0.2)

    def stands(self, site: str) -> None:
        """It alone writes and makes steps; each log says so, and holds what goes before its own work in the same line."""
        current = self.witness.current()
        assert current is not None
        assert current.writer("gpt") == site
        assert self.makes_steps(site)
        part = current.workloads["gpt"]
        contents: dict[CommitId, str] = {}
        for name in self.names:
            view = self.log(name)
            assert view.opened[max(view.opened)].writer == site, f"{name} says otherwise"
            assert view.term == part.term
            for commit, each in view.accepted.items():
                assert contents.setdefault(commit, each.what.root) == each.what.root, f"{commit} in {name} is another"
        assert self.desired(site).slots == 3
        seen = {name: self.open(name).observe(deadline_s=10).jobs.get("gpt") for name in self.names}
        running = [name for name, job in seen.items() if job is not None and job.ranks]
        assert running == [site], running


@contextmanager
def brought_up(folder: Path, declared: str) -> Iterator[Sites]:
    """Sites that are up, with a recovery point; nothing of them outlives the block."""
    with closing(Sites(folder, declared)) as made:
        made.drstack("up", "local", "--yes")
        assert made.has_recovery_point()
        yield made
