"""`drstack demo`: a training site dies on this machine and its run continues at another one."""

from __future__ import annotations

import json as json_
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Strategy(StrEnum):
    """Who answers requests before the disaster: one site, or both."""

    ACTIVE_PASSIVE = "active-passive"
    ACTIVE_ACTIVE = "active-active"


class Fault(StrEnum):
    """Planted faults; each must make the demo fail and be named."""

    VERIFY = "verify"
    SEAL = "seal"
    RESTORE = "restore"
    REFERENCE = "reference"


def demo(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the training run.")] = 0,
    kill_after_steps: Annotated[
        int, typer.Option("--kill-after-steps", min=10, help="Kill in the first checkpoint saved after this step.")
    ] = 35,
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Where everything happens. Default: .drstack/demo")
    ] = None,
    report: Annotated[Path, typer.Option("--report", help="Folder of the report.")] = Path("demo-report"),
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="Who answers requests before the disaster: one site, or both.")
    ] = Strategy.ACTIVE_PASSIVE,
    keep: Annotated[bool, typer.Option("--keep", help="Leave sites and witness in place afterwards, stopped.")] = False,
    fault: Annotated[
        Fault | None, typer.Option("--break", help="Plant a fault; the demo must then end non-zero and name it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Build two local sites, kill the writing one while it saves, promote the other, and prove that it is the same run."""
    from drstack.assembly import project_root
    from drstack.demo.play import Demo
    from drstack.errors import DemoFailed, EnvironmentUnknown
    from drstack.extras import require

    require("pulumi", "local", "train", "report", what="drstack demo")
    source = project_root()
    if not (source / "examples" / "train").is_dir():
        raise EnvironmentUnknown(
            f"{source} has no examples/train, which the demo trains",
            hint="drstack init demo --example --environment local makes a project that has it; run the demo there.",
        )
    play = Demo(
        source, (directory or source / ".drstack" / "demo").absolute(), report.absolute(), seed, kill_after_steps,
        strategy=strategy.value,
    )  # fmt: skip
    document, failed = play.run(fault.value if fault else None, keep=keep)
    if json:
        sys.stdout.write(json_.dumps(document) + "\n")
    else:
        sys.stdout.write(f"{document['verdict']}\nReport: {document['report']}\n")
    if failed:
        raise DemoFailed("; ".join(failed), hint=f"The report shows what happened: {document['report']}")
