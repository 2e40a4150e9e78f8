"""Asking a person at a terminal for what the flags left open.

Decides the questions and their order. Invariant: only what is lacking is asked, so that flags and answers mix.
"""

from __future__ import annotations

from rich.console import Console
from rich.prompt import Confirm, Prompt

from drstack.project.answers import Answers, Mapped, with_example

_TERMINAL = Console(stderr=True, soft_wrap=True)
STRATEGIES = ("active-passive", "active-active", "pilot-light", "cloud-burst")
PLATFORMS = ("local", "aws", "gcp", "kubernetes", "slurm")
CLASSES = ("training", "weights", "dataset", "inference", "registry", "development", "config")


def ask(given: Answers) -> tuple[Answers, bool]:
    """The answers, and whether the training example is wanted."""
    environment = given.environment or _prompt("Environment", default="local")
    strategy = given.strategy or _prompt("Strategy", default=STRATEGIES[0], choices=STRATEGIES)
    sites = _sites(dict(given.sites))
    told = Answers(environment, strategy, given.witness, given.state, sites, given.workloads)
    if not told.local:
        told = Answers(
            environment,
            strategy,
            given.witness or _prompt("Witness, a bucket outside all sites (s3://… gs://… az://…)"),
            given.state or _prompt("Pulumi's state, another such bucket (s3://… gs://… azblob://… https://…)"),
            sites,
            given.workloads,
        )
    if not given.workloads and told.local and _confirm("Begin with an example that trains a small GPT?", default=True):
        return with_example(told), True
    workloads = {name: _completed(name, dict(each)) for name, each in (given.workloads or _workloads()).items()}
    return Answers(environment, strategy, told.witness, told.state, sites, workloads), False


def _sites(sites: dict[str, Mapped]) -> dict[str, Mapped]:
    for ordinal in ("The site that writes first", "A site that can take over"):
        if len(sites) < 2:  # noqa: PLR2004
            name = _prompt(ordinal, default=next(each for each in ("east", "west", "north") if each not in sites))
            sites[name] = _site()
    return sites


def _site() -> Mapped:
    platform = _prompt("  Its platform", default="local", choices=PLATFORMS)
    site: Mapped = {"platform": platform}
    if platform in {"aws", "gcp"}:
        site["region"] = _prompt("  Its region")
    return site


def _workloads() -> dict[str, Mapped]:
    workloads: dict[str, Mapped] = {}
    while not workloads or _confirm("Another workload?", default=False):
        name = _prompt("A workload", default=None if workloads else "gpt")
        workloads[name] = {"class": _prompt("  Its class", default=CLASSES[0], choices=CLASSES)}
    return workloads


def _completed(name: str, workload: Mapped) -> Mapped:
    kind = workload.get("class")
    if kind in {"training", "inference"} and "job" not in workload:
        how = _prompt(f"  What starts {name}", default="train", choices=("train", "jobset", "deployment", "slurm"))
        what = {"train": "Python module", "slurm": "batch script"}.get(how, "namespace/name")
        workload["job"] = {how: _prompt(f"  Its {what}")}
    if kind == "training" and "checkpoints" not in workload:
        workload["checkpoints"] = {
            "path": _prompt("  Folder of its checkpoints", default=f"checkpoints/{name}"),
            "every": _prompt("  Time between checkpoints", default="45m"),
        }
    return workload


def _prompt(text: str, *, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
    question = Prompt(text, console=_TERMINAL, choices=list(choices) or None)
    while True:
        answer = (question() if default is None else question(default=default)).strip()
        if answer:
            return answer


def _confirm(text: str, *, default: bool) -> bool:
    return Confirm.ask(text, default=default, console=_TERMINAL)
