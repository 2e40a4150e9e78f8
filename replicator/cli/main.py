"""The `replicator` command. `drstack checkpoints` mounts the same application.

A verb is imported when it is named, and imports what it needs when it runs, so that it starts, and `--help` answers, at once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from replicator.cli.verbs import Verb, application

if TYPE_CHECKING:
    from collections.abc import Sequence

_SELDOM_LOG = ("push", "restore", "list")
"""Verbs that start faster without it: all that they may say goes through `replicator.lines`."""
HELP = "Ship training checkpoints: complete or absent, verified, in few bytes."
VERBS = (
    Verb("init", "replicator.cli.init:init"),
    Verb("push", "replicator.cli.push:push"),
    Verb("watch", "replicator.cli.watch:watch"),
    Verb("wait", "replicator.cli.wait:wait"),
    Verb("list", "replicator.cli.list:list_"),
    Verb("restore", "replicator.cli.restore:restore"),
    Verb("verify", "replicator.cli.verify:verify"),
    Verb("release", "replicator.cli.ruling:release"),
    Verb("condemn", "replicator.cli.ruling:condemn"),
    Verb("scrub", "replicator.cli.scrub:scrub"),
    Verb("repair", "replicator.cli.repair:repair"),
    Verb("drill", "replicator.cli.drill:drill"),
    Verb("retain", "replicator.cli.retain:retain"),
    Verb("compact", "replicator.cli.compact:compact"),
    Verb("tier", "replicator.cli.tier:tier"),
    Verb("thaw", "replicator.cli.tier:thaw"),
    Verb("hold", "replicator.cli.hold:hold"),
    Verb("unhold", "replicator.cli.hold:unhold"),
    Verb("lock", "replicator.cli.lock:lock"),
    Verb("upgrade", "replicator.cli.upgrade:upgrade"),
    Verb("run", "replicator.cli.run:run"),
    Verb("keys", "replicator.cli.keys:app"),
)


def make_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """The application; where `arguments` begin with a verb, with that one only."""
    app = application(HELP, VERBS, arguments)
    app.callback(help=HELP)(logs)
    return app


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
        make_app(sys.argv[1:])()
    except ReplicatorError as error:
        sys.stderr.write(f"error: {error}\n")
        if error.hint:
            sys.stderr.write(f"  next: {error.hint}\n")
        sys.exit(error.exit_code)
