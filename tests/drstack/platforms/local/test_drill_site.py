"""A drill's site: like the standby, on what is left of it, and told nothing of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from drstack.drills.ground import Place
from drstack.errors import NotReady
from drstack.platforms.local import jobs, teardown
from drstack.platforms.local.descriptor import LocalDescriptor, read_descriptor
from drstack.platforms.local.desired import change
from drstack.platforms.local.drill_ground import LocalGround
from drstack.platforms.local.drill_site import LocalDrillSite
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.guests import HOST, end_drill, marked
from drstack.platforms.local.pool import read_bounds
from tests.drstack.platforms.local.conftest import descriptor


@pytest.fixture
def place(tmp_path, folder):
    made = Place(
        "test--drill-1", tmp_path / "drills" / "test--drill-1", None, (str(folder.path), str(tmp_path / "witness"))
    )
    made.scratch.mkdir(parents=True)
    os.mkfifo(made.leash)
    writer = os.open(made.leash, os.O_RDWR)
    yield made
    os.close(writer)
    end_drill(made.folder, within_s=20)


def described(folder) -> LocalDescriptor:
    return read_descriptor({**descriptor(folder), "site": "east"})


def define(folder, **program):
    told = jobs.read_definition(folder, "gpt")
    jobs.define(folder, replace(told, program=replace(told.program, **program)))


def contents(folder):
    kept = (folder.pool, folder.programs, folder.record, folder.path / "checkpoints")
    files = [
        path for each in kept for path in ([each] if each.is_file() else sorted(each.rglob("*"))) if path.is_file()
    ]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_it_has_what_is_left_of_the_standby_and_its_processes_are_guests_there(folder, place):
    change(folder, lambda now: replace(now, slots=1))
    before = contents(folder)
    define(folder, env={"SLEEPER": "1", "WANDB_API_KEY": "x"})
    before = contents(folder)
    made = LocalDrillSite(described(folder), place, ["gpt"])
    told = read_descriptor(made.make("an id"))
    mine = site_folder(told.folder)
    assert mine.path.is_relative_to(place.folder)
    assert told.repository == mine.store.as_uri() == made.repository
    assert (told.capacity.maximum, read_bounds(mine).maximum) == (3, 3)
    assert told.environment == "test--drill-1"
    assert jobs.read_definition(mine, "gpt").program.env == {"SLEEPER": "1"}
    assert marked(HOST, folder.path)
    assert contents(folder) == before
    assert LocalGround(folder, "east").end(place.folder) == ()
    assert not marked(HOST, folder.path)
    teardown.end_processes(mine)


@pytest.mark.parametrize(
    "program",
    [
        {"args": ("--out", "{real}/checkpoints")}, {"args": ("--out={real}",)}, {"env": {"OUT": "{real}"}},
        {"command": ("python", "{real}/train.py")}, {"args": ('{{"out": "{real}"}}',)},
    ],
)  # fmt: skip
def test_a_job_that_names_a_place_of_the_real_environment_is_refused_before_anything_is_made(folder, place, program):
    def named(value):
        if isinstance(value, dict):
            return {key: named(each) for key, each in value.items()}
        return (
            tuple(each.format(real=folder.path) for each in value)
            if isinstance(value, tuple)
            else value.format(real=folder.path)
        )

    define(folder, **{key: named(value) for key, value in program.items()})
    with pytest.raises(NotReady, match="cannot be run apart"):
        LocalDrillSite(described(folder), place, ["gpt"]).make("an id")
    assert not (place.folder / "sites").exists()


def test_a_job_may_name_places_that_only_begin_like_a_real_one(folder, place):
    define(folder, args=("--data", f"{folder.path}-data"))
    assert LocalDrillSite(described(folder), place, ["gpt"])._definition("gpt").program.args[1].endswith("-data")


def test_a_site_without_that_job_is_refused(folder, place):
    with pytest.raises(NotReady, match="no job of other"):
        LocalDrillSite(described(folder), place, ["other"]).make("an id")


def test_the_ground_is_wanted_as_soon_as_the_site_is_told_anything(folder):
    ground = LocalGround(folder, "east")
    with ground.held(wait_s=5):
        assert ground.wanted() is None
        change(folder, lambda now: replace(now, slots=2))
        assert "told to run something else" in ground.wanted()
    with ground.held(wait_s=5):
        assert ground.wanted() is None
        change(folder, lambda now: replace(now, fenced="a promotion elsewhere"))
        assert "is fenced" in ground.wanted()


def test_a_folder_that_is_gone_is_no_ground(tmp_path):
    with (
        pytest.raises(NotReady, match="is not there"),
        LocalGround(site_folder(Path(tmp_path, "gone")), "west").held(wait_s=0),
    ):
        pass
