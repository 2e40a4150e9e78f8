"""The site's prover: `python -m drstack.platforms.local.prover --site FOLDER`, a program under supervisord.

Decides when to look: every `every_s`, while the site's own repository says that another site writes. Invariant: its
status file says of every workload what it last found, and nothing that goes wrong ends it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drstack.errors import ActuatorFailed, DrstackError
from drstack.platforms.local.apart import LocalStandby
from drstack.platforms.local.atomic import read_json, write_json
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.keys import site_keys
from drstack.platforms.local.ownership import read_record
from drstack.platforms.local.tether import die_with
from drstack.proving.history import History
from drstack.proving.prover import Prover, Settings
from replicator.errors import ReplicatorError
from replicator.repository.repository import Repository
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Generator

    from drstack.proving.outcome import Outcome

WAIT_S = 120.0
_log = structlog.get_logger("prover")


class ProverConfig(BaseModel):
    """What a prover is told; docs/operations/proving.md names every field."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    workloads: tuple[str, ...]
    every_s: float = Field(gt=0)
    steps: int = Field(ge=1, le=200)
    timeout_s: float = Field(gt=0)


def read_config(folder: SiteFolder) -> ProverConfig | None:
    """None where the site is told to prove nothing. ActuatorFailed names every field that does not hold."""
    body = read_json(folder.prover_config)
    if body is None:
        return None
    try:
        return ProverConfig.model_validate(body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ActuatorFailed(f"{folder.prover_config}: {faults}", hint="drstack up ENV writes it anew.") from error


def open_prover(folder: SiteFolder, site: str, settings: Settings) -> tuple[Prover, LocalStandby]:
    standby = LocalStandby(folder, site)
    repository = Repository(
        site, open_store(folder.store.as_uri()), keys=site_keys(folder), memory=folder.spool / ".prover"
    )
    return Prover(repository, standby, History(folder.proofs), settings), standby


@contextmanager
def held_prover(folder: SiteFolder, site: str, settings: Settings) -> Generator[Prover]:
    """For one who comes by: a proof that runs there is waited for. ActuatorFailed if it does not end, or no site is there."""
    if not folder.path.is_dir():
        raise ActuatorFailed(f"site {site}: its folder {folder.path} is not there")
    prover, standby = open_prover(folder, site, settings)
    with standby.held(wait_s=WAIT_S):
        yield prover


class Loop:
    def __init__(self, folder: SiteFolder, config: ProverConfig, site: str) -> None:
        self._folder = folder
        self._config = config
        self._site = site
        self._prover, self._standby = open_prover(folder, site, Settings(config.steps, config.timeout_s))
        self._said: dict[str, str] = {}

    def turn(self) -> None:
        """Look at every workload once."""
        for workload in self._config.workloads:
            try:
                self._say(workload, self._look(workload))
            except (DrstackError, ReplicatorError, OSError) as error:
                self._say(workload, f"cannot look: {error}")

    def _look(self, workload: str) -> str:
        view = self._prover.repository.log(workload).view()
        opened = view.opened.get(view.term)
        if opened is None or not view.writable:
            return "its log is not open here"
        if opened.writer == self._site:
            return "this site writes it: nothing is idle"
        with self._standby.held():
            return in_words(self._prover.turn(workload))

    def _say(self, workload: str, what: str) -> None:
        if self._said.get(workload) == what:
            return
        self._said[workload] = what
        _log.info("looked", workload=workload, found=what)
        write_json(self._folder.prover_status, {"at": time.time(), "pid": os.getpid(), "workloads": dict(self._said)})


def in_words(outcome: Outcome) -> str:
    """One line for people."""
    if outcome.step is None or outcome.result == "not provable":
        return outcome.reason
    return f"step {outcome.step} {outcome.result}: {outcome.reason}"


def read_status(folder: SiteFolder) -> dict[str, str]:
    """Per workload what the prover last said; nothing where none has run, or its file cannot be read."""
    try:
        body = read_json(folder.prover_status)
    except (ActuatorFailed, OSError):
        return {}
    said = body.get("workloads") if body is not None else None
    return {str(name): str(what) for name, what in said.items()} if isinstance(said, dict) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _leave(_number: int, _frame: object) -> None:
    """At once: ranks die with this process, and the pin is let go of at the next turn."""
    os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Proves recovery points at a local site.")
    parser.add_argument("--site", required=True)
    folder = site_folder(parser.parse_args().site)
    die_with(os.getppid())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    config, record = read_config(folder), read_record(folder)
    if config is None or record is None:
        sys.stderr.write(f"{folder.path}: the prover was told nothing\n")
        return 1
    loop = Loop(folder, config, record.site)
    while True:
        loop.turn()
        stop.wait(config.every_s)


if __name__ == "__main__":
    sys.exit(main())
