"""A site's supervisord: starting it as a daemon of its own session, and talking to it over its socket.

Every call has a timeout. Invariant: reading a changed configuration never stops a program that runs (rule 10).
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from drstack.errors import ActuatorFailed
from drstack.extras import require
from drstack.platforms.local import place, processes, programs
from drstack.platforms.local.atomic import locked, write_text
from drstack.platforms.local.folder import SiteFolder, socket_path
from drstack.platforms.local.interpreter import of_site
from drstack.platforms.local.ownership import read_record
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

START_S = 20.0
CALL_S = 10.0
_SHUTTING_DOWN, _BAD_NAME, _ALREADY_STARTED, _NOT_RUNNING, _ALREADY_ADDED = 6, 10, 60, 70, 90
UP = ("RUNNING", "STARTING")


@dataclass(frozen=True, slots=True)
class ProgramState:
    name: str
    state: str
    pid: int
    at: int = 0
    """The site's own clock when supervisord said so, unix seconds."""

    @property
    def up(self) -> bool:
        return self.state in UP


class Supervisor:
    """Raises ActuatorFailed when supervisord does not answer within `timeout_s`, or refuses."""

    def __init__(self, folder: SiteFolder, *, timeout_s: float = CALL_S) -> None:
        self._folder = folder
        self._timeout_s = timeout_s

    def answers(self) -> bool:
        """Whether it runs; one that is shutting down counts as gone."""
        try:
            state = cast("dict[str, Any]", self._call("getState"))
        except ActuatorFailed:
            return False
        return state["statename"] == "RUNNING"

    def ensure(self, *, fifo: str | None, environ: Mapping[str, str] = os.environ) -> None:
        """Have it run, with the leash if a FIFO is given. What is left of a daemon before it is ended first."""
        leash = self._folder.programs / "leash.conf"
        if fifo is None:
            leash.unlink(missing_ok=True)
        else:
            write_text(leash, programs.leash(self._folder, fifo, of_site(self._folder)))
        with locked(self._folder.socket_note):
            if self.answers():
                self.reread()
                return
            left = [seen for seen in processes.end(self._folder, deadline_s=START_S) if seen.ours]
            if left:
                raise self._failed(f"processes of an earlier start do not end: {', '.join(map(str, left))}")
            address = socket_path(self._folder, environ)
            write_text(self._folder.supervisor_config, programs.supervisord(self._folder, address))
            write_text(self._folder.socket_note, str(address))
            place.note(self._folder)
            self._spawn(environ)

    def _spawn(self, environ: Mapping[str, str]) -> None:
        require("local", what="a local site")
        hidden = ("PULUMI_", "DRSTACK_LEASH", "DRSTACK_RUN_ID")
        kept = {name: value for name, value in environ.items() if not name.startswith(hidden)}
        command = [of_site(self._folder), "-m", "supervisor.supervisord", "-c", str(self._folder.supervisor_config)]
        try:
            done = subprocess.run(
                command,
                env={**kept, processes.MARKER: str(self._folder.path)},
                cwd=self._folder.path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                timeout=START_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(f"supervisord did not start: {error}") from error
        if done.returncode:
            raise self._failed(f"supervisord did not start: {done.stderr.decode(errors='replace').strip()[-500:]}")
        if not Deadline(START_S).until(self.answers):
            raise self._failed("supervisord started and does not answer")

    def reread(self) -> None:
        """Take up programs that were added, and drop those that are gone and do not run."""
        added, changed, removed = cast("list[list[list[str]]]", self._call("reloadConfig"))[0]
        up = {state.name for state in self.programs().values() if state.up}
        for name in [*removed, *changed]:
            if name not in up or name == programs.LEASH:
                self._call("stopProcessGroup", name, allow=(_NOT_RUNNING, _BAD_NAME))
                self._call("removeProcessGroup", name, allow=(_BAD_NAME,))
        for name in [*added, *changed]:
            self._call("addProcessGroup", name, allow=(_ALREADY_ADDED, _BAD_NAME))

    def programs(self) -> dict[str, ProgramState]:
        every = cast("list[dict[str, Any]]", self._call("getAllProcessInfo"))
        return {each["name"]: _state(each) for each in every}

    def start(self, name: str) -> None:
        """Start it, after its end where it is about to stop: until then supervisord takes it for one that runs."""
        now = self.programs().get(name)
        longest_s = programs.LONGEST_STOP_S + CALL_S
        if now is not None and now.state == "STOPPING" and not self.stopped(name, within_s=longest_s, pid=now.pid):
            raise self._failed(f"{name} is stopping, and does not end")
        self._call("startProcess", name, False, allow=(_ALREADY_STARTED,))

    def stop(self, name: str) -> None:
        """Ask it to stop; it is killed after its grace. Returns at once."""
        self._call("stopProcess", name, False, allow=(_NOT_RUNNING, _BAD_NAME))

    def stopped(self, name: str, *, within_s: float, pid: int | None = None) -> bool:
        """Wait until it has no process; with `pid`: until not that one, as somebody else may start it again at once."""

        def gone() -> bool:
            now = self.programs().get(name)
            return now is None or not now.pid or (pid is not None and now.pid != pid)

        return Deadline(within_s).until(gone)

    def pid(self) -> int:
        return cast("int", self._call("getPID"))

    def shutdown(self) -> None:
        self._call("shutdown", allow=(_SHUTTING_DOWN,))

    def _call(self, method: str, *arguments: object, allow: tuple[int, ...] = ()) -> object:
        try:
            note = self._folder.socket_note.read_text().strip()
        except OSError as error:
            raise self._failed("no supervisord was started here") from error
        proxy = xmlrpc.client.ServerProxy("http://site", transport=_OverSocket(Path(note), self._timeout_s))
        try:
            return cast("object", getattr(proxy.supervisor, method)(*arguments))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in allow:
                return None
            raise self._failed(f"supervisord refused {method} {arguments}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise self._failed(f"supervisord does not answer: {error}") from error

    def _failed(self, what: str) -> ActuatorFailed:
        return ActuatorFailed(
            f"site {self._folder.path}: {what}",
            hint=f"{mending(self._folder)}, then the same command again; {self._folder.log('supervisord')} says why.",
        )


def mending(folder: SiteFolder) -> str:
    """The command that starts the site's processes again."""
    try:
        record = read_record(folder)
    except (ActuatorFailed, OSError):
        record = None
    if record is None:
        return "drstack up ENV --refresh"
    whole = record.owner.rpartition("/")[2] == record.environment
    return f"drstack up {record.environment}{'' if whole else f' --site {record.site}'} --refresh"


def _state(told: Mapping[str, Any]) -> ProgramState:
    return ProgramState(told["name"], told["statename"], int(told["pid"]), int(told["now"]))


class _OverSocket(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__()
        self._path = path
        self._timeout_s = timeout_s

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        del host
        return _SocketConnection(self._path, self._timeout_s)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("site", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
