"""The configuration of a site's supervisord, as text.

Decides which programs there are and that none starts by itself, the leash apart: what runs is told by the desired
state. Invariant: every program is tethered to supervisord.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drstack.platforms.local.folder import SiteFolder

REPLICATOR = "replicator"
PROVER = "prover"
HOLDER = "holder"
LEASH = "leash"
CADDY = "caddy"
SLOT_GRACE_S = 8
LONGEST_STOP_S = 15
"""Longer than a replicator takes to drain and to end its threads."""


def slot_name(index: int) -> str:
    return f"slot-{index}"


def is_slot(name: str) -> bool:
    return name.startswith("slot-")


def supervisord(folder: SiteFolder, socket: Path) -> str:
    return "\n".join(
        (
            "[supervisord]",
            f"logfile={_value(folder.log('supervisord'))}",
            "logfile_maxbytes=5MB",
            "logfile_backups=1",
            f"pidfile={_value(folder.run / 'supervisord.pid')}",
            f"childlogdir={_value(folder.logs)}",
            f"directory={_value(folder.path)}",
            "minfds=256",
            "minprocs=16",
            "[unix_http_server]",
            f"file={_value(socket)}",
            "chmod=0600",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            "[include]",
            "files=programs/*.conf",
            "",
        )
    )


def slots(folder: SiteFolder, count: int, python: str) -> str:
    """A program for each slot up to the bound; the desired state says how many run."""
    module = ("-m", "drstack.platforms.local.slot", "--site", str(folder.path), "--slot")
    return "".join(
        _program(
            folder, slot_name(index), (python, *module, str(index)), start_s=0, stop_s=SLOT_GRACE_S + 4, autostart=False
        )
        for index in range(count)
    )


def replicator(folder: SiteFolder, python: str) -> str:
    command = _tethered(python, (python, "-m", "replicator", "run", "--config", str(folder.replicator_config)))
    return _program(folder, REPLICATOR, command, start_s=1, stop_s=LONGEST_STOP_S, autostart=False)


def prover(folder: SiteFolder, python: str) -> str:
    command = (python, "-m", "drstack.platforms.local.prover", "--site", str(folder.path))
    return _program(folder, PROVER, command, start_s=0, stop_s=5, autostart=False)


def holder(folder: SiteFolder, python: str) -> str:
    command = (python, "-m", "drstack.platforms.local.holder", "--site", str(folder.path))
    return _program(folder, HOLDER, command, start_s=0, stop_s=5, autostart=False)


def leash(folder: SiteFolder, fifo: str, python: str) -> str:
    command = (python, "-m", "drstack.platforms.local.leash", fifo, str(folder.path))
    return _program(folder, LEASH, command, start_s=0, stop_s=1, autostart=True)


def caddy(folder: SiteFolder, program: str, config: str, python: str) -> str:
    """A router's; what Caddy keeps of its own stays in the router's folder."""
    env = (f"XDG_DATA_HOME={folder.run}", f"XDG_CONFIG_HOME={folder.run}")
    command = _tethered(python, ("env", *env, program, "run", "--config", config))
    return _program(folder, CADDY, command, start_s=0, stop_s=10, autostart=False)


def _tethered(python: str, command: Sequence[str]) -> tuple[str, ...]:
    return (python, "-m", "drstack.platforms.local.tether", *command)


def _program(
    folder: SiteFolder, name: str, command: Sequence[str], *, start_s: int, stop_s: int, autostart: bool
) -> str:
    return "\n".join(
        (
            f"[program:{name}]",
            f"command={_value(shlex.join(command))}",
            f"autostart={str(autostart).lower()}",
            "autorestart=true",
            f"startsecs={start_s}",
            "startretries=20",
            f"stopwaitsecs={stop_s}",
            "killasgroup=true",
            "redirect_stderr=true",
            # Relative to supervisord's folder, the site's: supervisor expands this value twice.
            f"stdout_logfile={folder.log(name).relative_to(folder.path)}",
            "stdout_logfile_maxbytes=5MB",
            "stdout_logfile_backups=1",
            "",
        )
    )


def _value(value: object) -> str:
    """Supervisor expands `%` in values."""
    return str(value).replace("%", "%%")
