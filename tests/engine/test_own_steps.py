"""Steps of users' own in a promotion of real sites, whose operator is killed in each: looked up, or a person is asked."""

from __future__ import annotations

import contextlib
import json
import os

import pytest

from drstack.errors import OutcomeUnknown
from drstack.platforms.local.waiting import Deadline
from tests.drstack.actions.listening import listening
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, WAIT_S, Project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
PROGRAM = """\
import os, sys, time
from pathlib import Path

def work(name, site):
    done = Path("done")
    with Path("begun").open("a") as file:
        file.write(f"{name} {os.getpid()}\\n")
    while not Path(f"go-{name}").exists():
        time.sleep(0.05)
    with done.open("a") as file:
        file.write(f"{name} at {site}, {os.environ['DRSTACK_TOKEN']}\\n")
    return f"{name} at {site}"

if __name__ == "__main__":
    work(*sys.argv[1:])
"""
STEPS = """\
steps:
  scale:
    shell: [python3, dr.py, scale, "{{target}}"]
    check: [grep, -q, "^scale at {{target}}", done]
    before: start gpt
  reindex: {{python: "dr:work", args: {{name: reindex, site: "{{target}}"}}, after: scale, before: open}}
  open: {{http: {{url: "{url}/gate/{{target}}"}}}}
  last: {{shell: "echo {{operation}} >> last", after: [open, prove gpt]}}
"""


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    (made.folder / "dr.py").write_text(PROGRAM)
    (made.folder / "done").touch()
    try:
        yield made
    finally:
        made.close()


def lines(project, name):
    found = project.folder / name
    return found.read_text().splitlines() if found.exists() else []


def alive(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def killed_once(project, holds, *arguments):
    """The operator dies as soon as that is so."""
    with project.operator(*arguments) as process:
        assert Deadline(WAIT_S).until(lambda: holds() or process.poll() is not None, 0.05)
        assert process.poll() is None, process.communicate(timeout=30)


def died_in(project, step, times, *arguments):
    """The operator dies once a program of that step was begun so often; the program goes with them."""

    def begun():
        return [line for line in lines(project, "begun") if line.startswith(step)]

    killed_once(project, lambda: len(begun()) == times, *arguments)
    pid = int(begun()[-1].split()[1])
    assert Deadline(WAIT_S).until(lambda: not alive(pid), 0.05), "the program outlived its operator"
    (project.folder / f"go-{step}").touch()


def unknown(project, step):
    _, said = project.told("resume", "local", exits=OutcomeUnknown.exit_code)
    assert f"{step}: whoever began it ended in the middle of it" in said
    assert f"drstack confirm local {step} --again" in said


def test_each_is_done_once_though_its_operator_dies_in_the_middle_of_it(project):
    with listening() as server:
        server.answers = ["hang"]
        declared = (
            ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}]")
            .replace("rpo: 30s", "rpo: 1h")
            .replace("ranks: 2", "ranks: 1")
        )
        project.declare(declared + STEPS.format(url=server.url))
        project.drstack("up", "local", "--yes")
        assert project.has_recovery_point()

        died_in(project, "scale", 1, "promote", "local", "--to", "west", "--yes", "--no-reconcile")
        assert not lines(project, "done")
        died_in(project, "reindex", 1, "promote", "local", "--to", "west", "--yes", "--no-reconcile")
        assert [line.split(",")[0] for line in lines(project, "done")] == ["scale at west"], "its check said: not done"

        unknown(project, "step reindex")
        assert project.makes_steps("west"), "what waits for no step of ours goes on"
        project.drstack("confirm", "local", "step", "reindex", "--again", "--reason", "no row of it is there")
        killed_once(project, lambda: len(server.heard) == 1, "resume", "local")
        assert [line.split(",")[0] for line in lines(project, "done")][1:] == ["reindex at west"]

        unknown(project, "step open")
        told, _ = project.told("status", "local", exits=0)
        assert "step open waits for a person: whether it happened: whoever began it ended" in told
        assert "step open FAILED" not in told
        project.drstack("confirm", "local", "step", "open", "--reason", "the gate is open")
        end = json.loads(project.drstack("resume", "local", "--json"))
    assert end["result"] == "promoted"
    assert [each.path for each in server.heard] == ["/gate/west"], "it was asked once"
    assert lines(project, "last") == ["1-1"]
    assert len(lines(project, "done")) == 2
    assert project.job("west").running
