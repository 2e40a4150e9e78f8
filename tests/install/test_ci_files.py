"""The CI files that `drstack init` writes: their own steps, in order, as their runners' shells run them, in a clone.

The runner's tools are here: the engine, and an environment that has drstack with the extras that requirements.txt names.
"""

from __future__ import annotations

import os
import subprocess
import tomllib

import pytest
import yaml

from drstack.errors import EngineFailed
from drstack.reconcile.engine import find_engine
from tests.install.conftest import CHECKOUT, HIDDEN
from tools.notrun import not_run

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
FLAGS = (
    "--environment", "prod", "--strategy", "active-passive", "--site", "east=local", "--site", "west=local",
    "--workload", "gpt={class: training, rpo: 10m}", "--job", "gpt=own.trainer", "--checkpoints", "gpt=1m",
)  # fmt: skip
FILES = {"github": ".github/workflows/drstack.yml", "gitlab": ".gitlab-ci.yml"}


@pytest.fixture(scope="module")
def tools(full):
    try:
        engine = find_engine(CHECKOUT)
    except EngineFailed as error:
        not_run(f"the Pulumi engine: {error}")
    return f"{full.venv / 'bin'}:{engine.bin}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def clone(base, tmp_path_factory):
    """By CI, a fresh clone of a project that was just written and committed."""

    def make(ci: str):
        folder = tmp_path_factory.mktemp(ci)
        made = base.run("drstack", "init", "project", *FLAGS, "--ci", ci, cwd=folder)
        assert made.returncode == 0, made.stderr
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for git in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "A project")):
            subprocess.run(["git", *git], cwd=folder / "project", check=True, timeout=30)
        subprocess.run(["git", "clone", "-q", "project", "clone"], cwd=folder, check=True, timeout=30)
        return folder / "clone"

    return make


def steps(ci: str, clone) -> list[str]:
    """What the runner gives to a shell: GitHub each step to one of its own, GitLab all lines to one."""
    document = yaml.safe_load((clone / FILES[ci]).read_text())
    if ci == "github":
        return [step["run"] for step in document["jobs"]["check"]["steps"] if "run" in step]
    return ["\n".join(document["drstack"]["script"])]


def run(given: list[str], ci: str, clone, tools: str) -> tuple[int, str, int]:
    """(exit code, all that was said, how many steps ended well), as far as the first that fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    environment |= {"PATH": tools, "PIP_NO_INDEX": "1", "CI": "true"}
    said, ended = "", 0
    for step in given:
        done = subprocess.run(
            ["bash", "-e", "-c", step] if ci == "github" else ["bash", "-eo", "pipefail", "-c", step],
            cwd=clone, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=300, check=False,
        )  # fmt: skip
        said += done.stdout
        if done.returncode:
            return done.returncode, said, ended
        ended += 1
    return 0, said, ended


def break_environment(clone) -> None:
    path = clone / "stacks" / "environments" / "prod.yaml"
    text = path.read_text()
    assert "rpo: 10m" in text
    path.write_text(text.replace("rpo: 10m", "rpo: often"))


@pytest.mark.parametrize("ci", FILES)
def test_its_steps_pass_on_what_was_written_and_fail_on_a_broken_environment_file(ci, clone, tools):
    folder = clone(ci)
    code, said, ended = run(steps(ci, folder), ci, folder, tools)
    assert code == 0, said
    assert ended == len(steps(ci, folder))
    assert "no faults" in said
    assert said.count("drstack-prod") >= 1 or said.count("prod.east") >= 1, said
    assert "prod.west" in said
    assert "no protection from its loss" in said  # a judgement of the policy pack
    break_environment(folder)
    code, said, ended = run(steps(ci, folder), ci, folder, tools)
    assert code != 0
    assert ended < len(steps(ci, folder))
    assert "rpo" in said
    assert "prod.east" not in said


@pytest.mark.parametrize("ci", FILES)
def test_nothing_is_previewed_without_the_settings_of_the_environment(ci, clone, tools, tmp_path):
    """`eval "$(…)"` would go on where they could not be had, with whatever Pulumi finds then."""
    folder = clone(ci)
    break_environment(folder)
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\necho a bare preview\n")
    pulumi.chmod(0o755)
    only = [
        step[step.index("settings=") if "settings=" in step else step.index("eval") :]
        for step in steps(ci, folder)[-1:]
    ]
    code, said, ended = run(only, ci, folder, f"{tmp_path}:{tools}")
    assert (code != 0, ended) == (True, 0)
    assert "rpo" in said
    assert "a bare preview" not in said


def test_it_may_only_read_and_names_what_it_uses_by_version(clone):
    github = yaml.safe_load((clone("github") / FILES["github"]).read_text())
    assert github["permissions"] == {"contents": "read"}
    used = [step["uses"].split("@") for step in github["jobs"]["check"]["steps"] if "uses" in step]
    assert [name for name, _ in used] == ["actions/checkout", "actions/setup-python", "pulumi/actions"]
    assert all(version[0] == "v" and version[1:].isdigit() for _, version in used)
    image, _, version = yaml.safe_load((clone("gitlab") / FILES["gitlab"]).read_text())["drstack"]["image"][
        "name"
    ].partition(":")
    assert image == "pulumi/pulumi-python"
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert f"pulumi>={version.rpartition('.')[0]},<" in extras["pulumi"][0]
