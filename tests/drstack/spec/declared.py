"""Environment texts for these tests."""

from pathlib import Path

from drstack.spec import Environment, EnvironmentInvalid, Fault, parse_environment

PROJECT = Path(__file__).parents[3]
LOCAL = """\
environment: demo
strategy: active-passive
witness: file:witness
state: file:state
sites:
  east: {platform: local}
  west: {platform: local}
workloads:
  gpt:
    class: training
    job: {train: examples.train, ranks: 2}
    checkpoints: {path: checkpoints/gpt, every: 45m}
"""


def parsed(text: str = LOCAL) -> Environment:
    return parse_environment(text, Path("demo.yaml"))


def faults_of(text: str) -> dict[str, Fault]:
    """The faults by field; none where the text holds."""
    try:
        parsed(text)
    except EnvironmentInvalid as error:
        return {fault.field: fault for fault in error.faults}
    return {}


def with_line(added: str, *, after: str = "    checkpoints:") -> str:
    """LOCAL with lines put in after the line that starts so."""
    lines = LOCAL.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith(after))
    return "\n".join([*lines[: at + 1], added, *lines[at + 1 :]]) + "\n"
