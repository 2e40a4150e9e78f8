"""`drstack init`: a new project, from flags or from questions."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Ci(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


class Crypto(StrEnum):
    HYBRID = "drstack-hybrid-1"
    NONE = "none"


def init(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the project; new, or one that holds other things.")
    ] = Path(),
    *,
    environment: Annotated[
        str | None, typer.Option("--environment", metavar="NAME", help="The environment's name.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy", metavar="STRATEGY", help="active-passive, active-active, pilot-light or cloud-burst."
        ),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(
            "--site",
            metavar="NAME=PLATFORM",
            help="A site; repeat it, the first writes first. More fields: west='{platform: aws, region: us-east-1}'.",
        ),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            "--workload",
            metavar="NAME=CLASS",
            help="A workload; repeat it. More fields: gpt='{class: training, rpo: 2h}'.",
        ),
    ] = None,
    job: Annotated[
        list[str] | None,
        typer.Option(
            "--job", metavar="NAME=MODULE", help="What starts a workload: gpt=my.train, or gpt='{jobset: ml/gpt}'."
        ),
    ] = None,
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoints",
            metavar="NAME=INTERVAL",
            help="How often a workload saves: gpt=45m, or gpt='{path: …, every: 45m}'.",
        ),
    ] = None,
    witness: Annotated[
        str | None,
        typer.Option("--witness", metavar="URL", help="Store outside all sites; needed unless all are local."),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="URL", help="Backend of Pulumi's state; needed unless all are local."),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="A small GPT that trains on this machine; the rest has defaults then.")
    ] = False,
    ci: Annotated[Ci, typer.Option("--ci", help="Which CI file to write.")] = Ci.GITHUB,
    name: Annotated[
        str | None, typer.Option("--name", help="Pulumi's name for the project; else the folder's.")
    ] = None,
    crypto: Annotated[
        Crypto,
        typer.Option("--crypto", help="How repositories are encrypted and signed; none: neither."),
    ] = Crypto.HYBRID,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Write a project that goes up: environment, stacks, policies, CI, and its keys. Asks for what flags leave open."""
    from drstack.project.answers import lacking, read_flags, require_all, with_example
    from drstack.project.content import compose, project_name
    from drstack.project.place import place

    answers = read_flags(
        environment=environment, strategy=strategy, witness=witness, state=state, sites=site or (),
        workloads=workload or (), jobs=job or (), checkpoints=checkpoints or (),
    )  # fmt: skip
    if example:
        answers = with_example(answers)
    if lacking(answers) and sys.stdin.isatty() and not json:
        from drstack.project.ask import ask

        answers, example = ask(answers)
    require_all(answers)
    answers = replace(answers, encrypted=crypto is Crypto.HYBRID)
    goal = folder.absolute()
    files = compose(answers, name=name or project_name(goal), ci=ci.value, example=example)
    made = place(files, goal)
    keys = _keys(goal, str(answers.environment))
    if json:
        document = {"folder": str(goal), "environment": answers.environment, "made": list(made), "keys": keys}
        sys.stdout.write(json_.dumps(document) + "\n")
        return
    sys.stdout.write("".join(f"{goal / path}\n" for path in made) or f"{goal}: all files are there already\n")
    sys.stdout.write(f"  next: read {goal / 'README.md'}, then: drstack check {answers.environment}\n")


def _keys(project: Path, environment: str) -> str | None:
    """Where the environment's keys lie now; None where nothing is encrypted."""
    from drstack.cli.keys import make_keys
    from drstack.reconcile.project import local_root
    from drstack.spec import find_environment, load_environment

    declared = load_environment(find_environment(environment, project), name=environment)
    made = make_keys(declared, local_root(project))
    return None if made is None else str(made.folder)
