"""`drstack observe`: one observer of an environment, which looks, says what it sees, and acts only where that is allowed."""

from __future__ import annotations

import json as json_
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from drstack.automatic.judge import Verdict
    from drstack.automatic.observer import Observer

_ANEW_S = 300.0


def observe(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="This observer's name in the environment file.")],
    *,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 5.0,
    at: Annotated[str | None, typer.Option("--at", metavar="SITE", help="The site that this observer runs in.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="A JSON line on stdout for each judgement that differs.")
    ] = False,
) -> None:
    """Look at everything every few seconds until SIGTERM, and write what is seen on the witness.

    Where the environment file allows it, and only then: repair a writer within reach, and promote where two observers agree.
    """
    from drstack.errors import DrstackError
    from replicator.cli.options import stopping
    from replicator.errors import ReplicatorError

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))
    observer, made = _observer(environment, name, every, at, json=json), time.monotonic()
    while not stop.is_set():
        observer.turn()
        if time.monotonic() - made > _ANEW_S and not observer.uneasy:
            try:
                observer.renew(_observer(environment, name, every, at, json=json))
                made = time.monotonic()
            except (DrstackError, ReplicatorError) as error:
                sys.stderr.write(f"goes on with what it knew of {environment}: {error}\n")
        stop.wait(every)


def _observer(environment: str, name: str, every: float, at: str | None, *, json: bool) -> Observer:
    from drstack.assembly import assemble, automatic_policy, load, local_root, project_root
    from drstack.automatic.observer import Observer
    from drstack.errors import EnvironmentUnknown

    declared = load(environment)
    policy = automatic_policy(declared)
    if name not in policy.observers:
        raise EnvironmentUnknown(
            f"environment {environment} has no observer {name!r}",
            hint=f"Its observers are: {', '.join(policy.observers) or 'none'}; promotion.observers in its file names them.",
        )
    if at is not None and at not in declared.sites:
        raise EnvironmentUnknown(f"environment {environment} has no site {at!r}")
    world = assemble(declared, local_root(project_root()), policy.to, progress=_Quiet())
    return Observer(
        name, world, policy, every, _now, place=socket.gethostname(), at=at,
        say=lambda verdict: _say(verdict, name, json=json),
    )  # fmt: skip


def _now() -> float:
    """Also what the machine slept, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _say(verdict: Verdict, name: str, *, json: bool) -> None:
    at = time.time()
    if json:
        told = {"observer": name, "at": at, "act": verdict.act, "site": verdict.site or None, "reason": verdict.reason}
        sys.stdout.write(json_.dumps(told) + "\n")
    else:
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        sys.stdout.write(f"{clock} {verdict.act}: {verdict.reason}\n")
    sys.stdout.flush()


class _Quiet:
    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        sys.stderr.write(f"{step} {seconds:.1f} s {detail}\n")
