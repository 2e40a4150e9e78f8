"""What readiness asks of a real local site: told as it is, unknown where it cannot be asked, and never raised."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from drstack.platforms.local import jobs, pool
from drstack.platforms.local.atomic import write_json
from drstack.platforms.local.interpreter import of_site
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.registry import open_probe
from tests.drstack.platforms.local.conftest import descriptor

IMAGE = "registry.example/train@sha256:" + "a" * 64


def look(folder, **told):
    return open_probe({**descriptor(folder), **told}).look(("gpt",), deadline_s=10)


def test_a_site_as_it_should_be(folder):
    seen = look(folder)
    assert (seen.unlike, seen.controllers, seen.undefined, seen.drift, seen.images) == ((), (), (), (), {})
    assert seen.machine.gpus == ()
    assert seen.free_bytes > 0
    assert seen.held_slots == 0


def test_what_is_otherwise_than_it_was_told(folder):
    seen = look(folder, capacity={"minimum": 0, "maximum": 5}, keys=str(folder.keys))
    assert len(seen.unlike) == 2
    assert "up to 3 worker slots, and told 5" in seen.unlike[0]
    of_site(folder)
    folder.interpreter.write_text("/nowhere/python\n")
    assert "is gone" in look(folder).unlike[0]


def test_another_owner_would_undo_what_a_promotion_turns(folder):
    write_json(folder.record, {"environment": "test", "environment_id": None, "site": "east", "owner": "o/p/other"})
    [other] = look(folder).controllers
    assert other.name == "stack o/p/other"
    assert "pulumi destroy -s other" in other.remedy


def test_a_job_that_is_not_there_and_slots_that_should_run(folder):
    folder.job("gpt").unlink()
    pool.change(folder, lambda now: replace(now, slots=1))
    seen = look(folder)
    assert seen.undefined == ("gpt",)
    assert seen.drift == ("slot-0 is STOPPED",)


def test_a_site_that_died_is_told_by_drift_and_one_that_is_gone_by_nothing(folder):
    Supervisor(folder).shutdown()
    assert "supervisord is gone" in look(folder).drift
    shutil.move(folder.path, f"{folder.path}.gone")
    assert look(folder) is None
    shutil.move(f"{folder.path}.gone", folder.path)


@pytest.mark.parametrize(
    ("answers", "there"), [("exit 0", True), ("exit 1", False), ("echo no daemon >&2; exit 125", None)]
)
def test_images_by_digest_are_asked_for(folder, tmp_path, monkeypatch, answers, there):
    known = jobs.read_definition(folder, "gpt")
    jobs.define(folder, replace(known, program=replace(known.program, env={"DRSTACK_IMAGE": IMAGE})))
    engine = tmp_path / "bin" / "podman"
    engine.parent.mkdir()
    engine.write_text(f'#!/bin/sh\n[ "$1 $2 $3" = "image exists {IMAGE}" ] || exit 99\n{answers}\n')
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{engine.parent}:{Path('/usr/bin')}:/bin")
    seen = look(folder)
    assert seen.images == {IMAGE: there}
    assert (there is None) == ("no daemon" in seen.unknown.get("images", ""))


def test_an_image_is_unknown_where_nobody_can_be_asked(folder, tmp_path, monkeypatch):
    known = jobs.read_definition(folder, "gpt")
    jobs.define(folder, replace(known, program=replace(known.program, args=("--image", IMAGE))))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look(folder).images == {IMAGE: None}


def test_logs_are_named_where_they_lie_and_only_there(folder):
    assert (look(folder).replicator_log, dict(look(folder).run_logs)) == (None, {})
    folder.logs.mkdir(parents=True, exist_ok=True)
    for program in ("replicator", "gpt-rank0"):
        folder.log(program).write_text("killed\n")
    seen = look(folder)
    assert (seen.replicator_log, seen.run_logs) == (
        str(folder.log("replicator")),
        {"gpt": str(folder.log("gpt-rank0"))},
    )
