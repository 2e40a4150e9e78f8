"""A drill's operator: gives way at once to whoever wants the site, and says what became of the process that plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drstack.drills.script import RESULT, Played
from drstack.drills.watch import give_way, watch
from drstack.platforms.local.folder import SiteFolder
from drstack.platforms.local.guests import end_drill, marks
from drstack.recovery.conduct import plan_only
from drstack.recovery.operation import begin
from drstack.recovery.plan import Given
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.world import Quiet


@dataclass
class Standing:
    """Ground that is wanted when a test says so; its processes are real."""

    host: Path
    why: str | None = None
    ended: list[Path] = field(default_factory=list)

    def wanted(self):
        return self.why

    def environ(self, drill):
        return marks(SiteFolder(self.host), drill)

    def end(self, drill):
        self.ended.append(drill)
        return tuple(map(str, end_drill(drill, within_s=20)))


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path / "fleet", names=("a",))
    made.save()
    return made


def run(fleet, ground, folder, timeout_s=60):
    folder.mkdir(parents=True, exist_ok=True)
    return watch(folder, ground, fleet.witness(), Quiet(), scratch=folder, timeout_s=timeout_s)


def test_a_site_that_is_wanted_ends_the_drill_before_it_says_anything(fleet, tmp_path):
    ground = Standing(tmp_path / "west", why="told to run something else")
    seen = run(fleet, ground, tmp_path / "drill")
    assert (seen.played, seen.gave_way) == (None, "told to run something else")
    assert ground.ended


def test_an_operation_that_begins_ends_the_drill(fleet, tmp_path):
    world = fleet.world()
    wanted = give_way(Standing(tmp_path), world.witness)
    assert wanted() is None
    begin(world.witness, {**plan_only(world, "west", Given(by="ops")).document(), "kind": "promote"})
    assert give_way(Standing(tmp_path), fleet.witness())() == "operation 1-1 began"
    assert run(fleet, Standing(tmp_path / "west"), tmp_path / "drill").gave_way == "operation 1-1 began"


def test_a_process_that_says_nothing_is_told_with_how_it_ended(fleet, tmp_path):
    seen = run(fleet, Standing(tmp_path / "west"), tmp_path / "drill")  # there is no script for it
    assert seen.played is None
    assert seen.gave_way is None
    assert "exited 1 without a result" in seen.why


def test_what_it_said_is_read(fleet, tmp_path):
    folder = tmp_path / "drill"
    folder.mkdir()
    (folder / RESULT).write_text(Played(confined=True, error="no room").model_dump_json())
    assert run(fleet, Standing(tmp_path / "west"), folder).played.error == "no room"


def test_one_that_takes_too_long_is_ended(fleet, tmp_path):
    ground = Standing(tmp_path / "west")
    seen = run(fleet, ground, tmp_path / "drill", timeout_s=0)
    assert seen.late
    assert ground.ended
