"""The `drstack` command: incident verbs first. A verb is imported when it is named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from drstack.cli.naming import naming
from replicator.cli.verbs import Verb, application

if TYPE_CHECKING:
    from collections.abc import Sequence

_INCIDENT, _EVERYDAY, _TRY = "In an incident", "Every day", "Try it"
HELP = "Bring GPU work back, somewhere else, within objectives set beforehand."
VERBS = (
    Verb("promote", "drstack.cli.promote:promote", _INCIDENT),
    Verb("status", "drstack.cli.status:status", _INCIDENT),
    Verb("switchover", "drstack.cli.switchover:switchover", _INCIDENT),
    Verb("failback", "drstack.cli.switchover:failback", _INCIDENT),
    Verb("resume", "drstack.cli.operation:resume", _INCIDENT),
    Verb("pause", "drstack.cli.operation:pause", _INCIDENT),
    Verb("confirm", "drstack.cli.confirm:confirm", _INCIDENT),
    Verb("skip", "drstack.cli.operation:skip", _INCIDENT),
    Verb("abort", "drstack.cli.operation:abort", _INCIDENT),
    Verb("fence", "drstack.cli.fence:fence", _INCIDENT),
    Verb("approve", "drstack.cli.approve:approve", _INCIDENT),
    Verb("automatic", "drstack.cli.automatic:automatic", _INCIDENT),
    Verb("witness", "drstack.cli.witness:app", _INCIDENT),
    Verb("restore", "replicator.cli.restore:restore", _INCIDENT),
    Verb("traffic", "drstack.cli.traffic:traffic", _INCIDENT),
    Verb("verify", "replicator.cli.verify:verify", _EVERYDAY),
    Verb("prove", "drstack.cli.prove:prove", _EVERYDAY),
    Verb("drill", "drstack.cli.drill:drill", _EVERYDAY),
    Verb("checkpoints", "replicator.cli.main:make_app", _EVERYDAY, nested=True),
    Verb("observe", "drstack.cli.observe:observe", _EVERYDAY),
    Verb("init", "drstack.cli.init:init", _EVERYDAY),
    Verb("check", "drstack.cli.check:check", _EVERYDAY),
    Verb("up", "drstack.cli.up:up", _EVERYDAY),
    Verb("keys", "drstack.cli.keys:app", _EVERYDAY),
    Verb("kit", "drstack.cli.kit:kit", _EVERYDAY),
    Verb("env", "drstack.cli.env:env", _EVERYDAY),
    Verb("report", "drstack.cli.report:report", _EVERYDAY),
    Verb("serve", "drstack.cli.serve:serve", _EVERYDAY),
    Verb("runbook", "drstack.cli.runbook:runbook", _EVERYDAY),
    Verb("schema", "drstack.cli.schema:schema", _EVERYDAY),
    Verb("exit-codes", "drstack.cli.exit_codes:exit_codes", _EVERYDAY),
    Verb("demo", "drstack.cli.demo:demo", _TRY),
)


def make_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """The application; where `arguments` begin with a verb, with that one only."""
    app = application(HELP, VERBS, arguments, naming)
    app.callback(help=HELP)(logs)
    return app


def logs() -> None:
    """Before a verb runs: log lines go to stderr, so that stdout holds results only."""
    from replicator.cli.logs import log_to_stderr

    log_to_stderr()


def run() -> None:
    """Run the command; our errors become one message, a hint and an exit code."""
    from drstack.errors import DrstackError
    from replicator.errors import ReplicatorError

    try:
        make_app(sys.argv[1:])()
    except (DrstackError, ReplicatorError) as error:
        sys.stderr.write(f"error: {error}\n")
        if error.hint:
            sys.stderr.write(f"  next: {error.hint}\n")
        sys.exit(error.exit_code)
