"""`drstack prove`: resume a recovery point at a standby, apart from everything, and see that it is what was saved."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from drstack.proving.outcome import Outcome
    from drstack.spec import Environment
    from drstack.witness.witness import Witness


def prove(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    site: Annotated[
        str | None, typer.Option("--site", help="Where. Default: the first site that does not write.")
    ] = None,
    workload: Annotated[str | None, typer.Option("--workload", help="Default: every training workload.")] = None,
    point: Annotated[
        str | None,
        typer.Option(
            "--point", help="latest, step:N or TERM.HEIGHT. Default: the newest that can be proved and is not."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, max=200, help="Steps to replay, at most.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Prove recovery points now, on idle slots. Exit 33 if one is not what was saved, 34 if none could be proved."""
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.platforms.registry import open_prover
    from drstack.proving.prover import Settings

    declared = load(environment)
    witness = open_witness(declared, local_root(project_root()))
    names = _workloads(declared, workload)
    wanted = declared.replication.prove
    settings = Settings(steps or (wanted.steps if wanted else 5), wanted.timeout if wanted else 600.0)
    done: list[tuple[str, Outcome]] = []
    for name in names:
        where = site or _standby(declared, witness, name)
        descriptor = witness.descriptor(where) if where in declared.sites else None
        if descriptor is None:
            raise _unknown(declared, where)
        sys.stderr.write(f"proving {name} at {where}\n")
        with open_prover(descriptor, settings) as prover:
            done.append((where, prover.turn(name, point)))
        sys.stderr.write(f"├── {_line(done[-1][1])}\n")
    rows = [{"site": where, **asdict(outcome)} for where, outcome in done]
    lines = "".join(f"{outcome.workload} at {where}: {_line(outcome)}\n" for where, outcome in done)
    sys.stdout.write(json_.dumps({"environment": environment, "proofs": rows}) + "\n" if json else lines)
    _judge(environment, [outcome for _, outcome in done])


def _workloads(declared: Environment, workload: str | None) -> list[str]:
    from drstack.errors import EnvironmentUnknown

    names = [name for name, each in declared.workloads.items() if each.class_ == "training"]
    if workload is None:
        return names
    if workload not in names:
        raise EnvironmentUnknown(
            f"environment {declared.environment} trains no workload {workload!r}",
            hint=f"It trains: {', '.join(names) or 'nothing'}.",
        )
    return [workload]


def _standby(declared: Environment, witness: Witness, workload: str) -> str:
    """The first declared site that does not write the workload."""
    current = witness.current()
    writer = current.writer(workload) if current is not None and workload in current.workloads else declared.primary
    return next((name for name in declared.sites if name != writer), writer)


def _unknown(declared: Environment, site: str) -> Exception:
    from drstack.errors import EnvironmentUnknown

    if site in declared.sites:
        hint = f"drstack up {declared.environment} --site {site} makes it."
        return EnvironmentUnknown(f"site {site} has published no descriptor", hint=hint)
    hint = f"Its sites are: {', '.join(declared.sites)}."
    return EnvironmentUnknown(f"environment {declared.environment} has no site {site!r}", hint=hint)


def _line(outcome: Outcome) -> str:
    step = "" if outcome.step is None else f"step {outcome.step} "
    return f"{step}{outcome.result}: {outcome.reason}"


def _judge(environment: str, outcomes: list[Outcome]) -> None:
    from drstack.errors import NotProved, ProofFailed

    failed = [each for each in outcomes if each.result == "failed"]
    if failed:
        raise ProofFailed("; ".join(f"{each.workload} {_line(each)}" for each in failed))
    not_proved = [each for each in outcomes if each.result != "proved" and not each.settled]
    if not_proved:
        raise NotProved(
            "; ".join(f"{each.workload} {_line(each)}" for each in not_proved),
            hint=f"Once that is mended: drstack prove {environment}",
        )
