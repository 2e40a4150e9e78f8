"""What `drstack init` wrote goes up on the real engine; a base install promotes what the stacks recorded."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from drstack.errors import EngineFailed
from drstack.platforms.local import teardown
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.waiting import Deadline
from drstack.reconcile.engine import find_engine
from tools.notrun import not_run

CHECKOUT = Path(__file__).parents[2]
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]
FLAGS = (
    "--environment", "rehearsal", "--strategy", "active-passive", "--site", "east={platform: local, slots: 2, capacity: 1}",
    "--site", "west={platform: local, slots: 2, capacity: 1}", "--workload", "gpt={class: training, rpo: 10m}",
    "--job", "gpt=own.trainer", "--checkpoints", "gpt=1s", "--ci", "gitlab",
)  # fmt: skip


@pytest.fixture
def engine():
    try:
        return find_engine(CHECKOUT)
    except EngineFailed as error:
        not_run(f"the Pulumi engine: {error}")


@pytest.fixture
def project(tmp_path):
    """The project's folder; processes of its sites end with the test, whatever happens."""
    folder, fifo = tmp_path / "rehearsal", tmp_path / "leash"
    os.mkfifo(fifo)
    leash = os.open(fifo, os.O_RDWR)
    try:
        yield folder
    finally:
        os.close(leash)
        for site in ("east", "west"):
            teardown.end_processes(
                site_folder(folder / ".drstack" / "local" / "sites" / "rehearsal" / site), deadline_s=20
            )


def test_a_new_project_goes_up_and_a_base_install_promotes_it(base, full, engine, project):
    environ = {"PATH": f"{engine.bin}:{os.environ['PATH']}", "DRSTACK_LEASH": str(project.parent / "leash")}

    def call(installed, command, *arguments, rc=0):
        done = installed.run(command, *arguments, cwd=project, timeout_s=400, **environ)
        assert done.returncode == rc, f"{command} {arguments}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    made = base.run("drstack", "init", project, *FLAGS, cwd=project.parent)
    assert made.returncode == 0, made.stderr
    (project / "own").mkdir()
    shutil.copy(Path(__file__).with_name("trainer.py"), project / "own")
    assert "no faults" in call(base, "drstack", "check", "rehearsal").stdout

    settings = {**environ, **json.loads(call(full, "drstack", "env", "rehearsal", "--json").stdout)["settings"]}

    def pulumi(*arguments):
        return full.run(engine.pulumi, *arguments, "--non-interactive", cwd=project, timeout_s=400, **settings)

    shown = pulumi("preview", "-s", "rehearsal.east", "--policy-pack", project / "policies" / "run", "--color", "never")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "no protection from its loss" in shown.stdout
    assert not (project / ".drstack" / "local" / "sites").exists()

    call(full, "drstack", "up", "rehearsal", "--yes")
    status: dict = {}

    def replicated():
        status.update(json.loads(call(base, "drstack", "status", "rehearsal", "--json").stdout))
        return (status["workloads"]["gpt"]["replication"]["west"].get("newest_step") or 0) >= 10

    assert Deadline(120).until(replicated, 0.5), status
    assert status["workloads"]["gpt"]["writer"] == "east"
    planned = json.loads(call(base, "drstack", "promote", "rehearsal", "--to", "west", "--plan", "--json").stdout)
    assert planned["target"] == "west"

    east = project / ".drstack" / "local" / "sites" / "rehearsal" / "east"
    os.kill(int((east / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    teardown.end_processes(site_folder(east), deadline_s=20)
    east.rename(east.with_name("lost"))
    promoted = call(base, "drstack", "promote", "rehearsal", "--to", "west", "--yes", "--json")
    assert json.loads(promoted.stdout)["workloads"][0]["step"] >= 10
    assert "NOT reconciled" in promoted.stderr
    assert "pip install 'drstack[pulumi]', then run: drstack up rehearsal --site west" in promoted.stderr
    after = json.loads(call(base, "drstack", "status", "rehearsal", "--json").stdout)
    assert after["workloads"]["gpt"]["writer"] == "west"

    call(full, "drstack", "up", "rehearsal", "--site", "west", "--yes")
    again = call(base, "drstack", "promote", "rehearsal", "--to", "west", "--yes")
    assert "nothing to do" in again.stdout
    done = pulumi("destroy", "--yes", "--skip-preview", "-s", "rehearsal.west")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (project / ".drstack" / "local" / "sites" / "rehearsal" / "west" / "run" / "supervisord.pid").exists()
