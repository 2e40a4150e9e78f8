"""Several operators start one job: a token counts once, in whatever order they come."""

from __future__ import annotations

import pytest

from drstack.errors import ActuatorFailed
from drstack.platforms.local import jobs
from drstack.platforms.local.desired import Desired, Program, change, read_desired
from drstack.platforms.local.folder import site_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = site_folder(tmp_path / "site")
    made.make()
    jobs.define(made, jobs.JobDefinition("gpt", 1, Program(None, ("true",), (), {}, "checkpoints/gpt")))
    change(made, lambda _: Desired(2))
    monkeypatch.setattr(jobs, "await_ranks", lambda *_, **__: None)
    return made


def start(folder, token):
    jobs.start(folder, "gpt", token=token, resume_step=10, deadline_s=5)


def interrupted(monkeypatch, at_look, act):
    """`act` happens right after the n-th look of the start that is under way at the desired state."""
    looks = iter(range(1, 100))

    def slow(seen_folder):
        seen = read_desired(seen_folder)
        if next(looks) == at_look:
            act()
        return seen

    monkeypatch.setattr(jobs, "read_desired", slow)


@pytest.mark.parametrize("at_look", [1, 2])
def test_a_start_that_another_operator_made_meanwhile_stands(folder, monkeypatch, at_look):
    saved = folder.checkpoints("checkpoints/gpt") / "step-00000020"

    def other():
        monkeypatch.setattr(jobs, "read_desired", read_desired)
        start(folder, "1-1")
        saved.mkdir()

    interrupted(monkeypatch, at_look, other)
    start(folder, "1-1")
    job = read_desired(folder).jobs["gpt"]
    assert (job.running, job.generation) == (True, 1)
    assert saved.exists()


def test_a_start_that_was_overtaken_by_a_later_one_does_not_replace_it(folder, monkeypatch):
    saved = folder.checkpoints("checkpoints/gpt") / "step-00000020"

    def others():
        monkeypatch.setattr(jobs, "read_desired", read_desired)
        start(folder, "1-1")
        start(folder, "2-1")
        saved.mkdir()

    interrupted(monkeypatch, 1, others)
    with pytest.raises(ActuatorFailed, match="started with token 2-1 meanwhile"):
        start(folder, "1-1")
    job = read_desired(folder).jobs["gpt"]
    assert (job.running, job.token) == (True, "2-1")
    assert saved.exists()
