"""The `drstack` command: incident verbs first. Verbs import what they need when they run, so that --help answers at once."""

from __future__ import annotations

import sys

import typer

from drstack.cli.check import check
from drstack.cli.demo import demo
from drstack.cli.env import env
from drstack.cli.exit_codes import exit_codes
from drstack.cli.init import init
from drstack.cli.keys import app as keys
from drstack.cli.kit import kit
from drstack.cli.promote import promote
from drstack.cli.prove import prove
from drstack.cli.report import report
from drstack.cli.schema import schema
from drstack.cli.status import status
from drstack.cli.traffic import traffic
from drstack.cli.up import up
from replicator.cli.main import app as checkpoints
from replicator.cli.restore import restore
from replicator.cli.verify import verify

_INCIDENT, _EVERYDAY, _TRY = "In an incident", "Every day", "Try it"

HELP = "Bring GPU work back, somewhere else, within objectives set beforehand."

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(rich_help_panel=_INCIDENT)(promote)
app.command(rich_help_panel=_INCIDENT)(status)
app.command(rich_help_panel=_INCIDENT)(restore)
app.command(rich_help_panel=_INCIDENT)(traffic)
app.command(rich_help_panel=_EVERYDAY)(verify)
app.command(rich_help_panel=_EVERYDAY)(prove)
app.add_typer(checkpoints, name="checkpoints", rich_help_panel=_EVERYDAY)
app.command(rich_help_panel=_EVERYDAY)(init)
app.command(rich_help_panel=_EVERYDAY)(check)
app.command(rich_help_panel=_EVERYDAY)(up)
app.add_typer(keys, name="keys", rich_help_panel=_EVERYDAY)
app.command(rich_help_panel=_EVERYDAY)(kit)
app.command(rich_help_panel=_EVERYDAY)(env)
app.command(rich_help_panel=_EVERYDAY)(report)
app.command(rich_help_panel=_EVERYDAY)(schema)
app.command("exit-codes", rich_help_panel=_EVERYDAY)(exit_codes)
app.command(rich_help_panel=_TRY)(demo)


@app.callback(help=HELP)
def logs() -> None:
    """Before a verb runs: log lines go to stderr, so that stdout holds results only."""
    from replicator.cli.logs import log_to_stderr

    log_to_stderr()


def run() -> None:
    """Run the command; our errors become one message, a hint and an exit code."""
    from drstack.errors import DrstackError
    from replicator.errors import ReplicatorError

    try:
        app()
    except (DrstackError, ReplicatorError) as error:
        sys.stderr.write(f"error: {error}\n")
        if error.hint:
            sys.stderr.write(f"  next: {error.hint}\n")
        sys.exit(error.exit_code)
