"""The `replicator` command. `drstack checkpoints` mounts the same application.

Verbs import what they need when they run, so that `--help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from replicator.cli.compact import compact
from replicator.cli.drill import drill
from replicator.cli.hold import hold, unhold
from replicator.cli.init import init
from replicator.cli.keys import app as keys
from replicator.cli.list import list_
from replicator.cli.lock import lock
from replicator.cli.push import push
from replicator.cli.repair import repair
from replicator.cli.restore import restore
from replicator.cli.retain import retain
from replicator.cli.ruling import condemn, release
from replicator.cli.run import run as run_service
from replicator.cli.scrub import scrub
from replicator.cli.tier import thaw, tier
from replicator.cli.upgrade import upgrade
from replicator.cli.verify import verify
from replicator.cli.wait import wait
from replicator.cli.watch import watch

_SELDOM_LOG = ("push", "restore", "list")
"""Verbs that start faster without it: all that they may say goes through `replicator.lines`."""
HELP = "Ship training checkpoints: complete or absent, verified, in few bytes."

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(init)
app.command()(push)
app.command()(watch)
app.command()(wait)
app.command("list")(list_)
app.command()(restore)
app.command()(verify)
app.command()(release)
app.command()(condemn)
app.command()(scrub)
app.command()(repair)
app.command()(drill)
app.command()(retain)
app.command()(compact)
app.command()(tier)
app.command()(thaw)
app.command()(hold)
app.command()(unhold)
app.command()(lock)
app.command()(upgrade)
app.command("run")(run_service)
app.add_typer(keys, name="keys")


@app.callback(help=HELP)
def logs(context: typer.Context) -> None:
    """Before a verb runs: a store that retries says so on stderr, so that stdout holds results only."""
    from replicator.lines import configure_later, ready

    configure_later(_log_to_stderr)
    if context.invoked_subcommand not in _SELDOM_LOG:
        ready()


def _log_to_stderr() -> None:
    from replicator.cli.logs import log_to_stderr

    log_to_stderr()


def run() -> None:
    """Run the command; our errors become one message, a hint and an exit code."""
    from replicator.errors import ReplicatorError

    try:
        app()
    except ReplicatorError as error:
        sys.stderr.write(f"error: {error}\n")
        if error.hint:
            sys.stderr.write(f"  next: {error.hint}\n")
        sys.exit(error.exit_code)
