"""What an update of a site's repository has run there: what the witness assigns, and nothing that a promotion is taking."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.errors import WitnessUnsound
from drstack.platforms.local.desired import Desired, DesiredJob, Program, change, read_desired
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.ownership import SiteRecord, claim
from drstack.provider.checkpoint_repository import CheckpointRepository, CheckpointRepositoryInputs
from drstack.provider.kind import DRIFT
from drstack.provider.opens import site_writes
from drstack.provider.reach import open_witness
from drstack.recovery.admission import bring_up_to
from drstack.witness.assignment import Assignment, WorkloadAssignment
from replicator.log.entries import Open
from replicator.repository.repository import Repository
from replicator.stores.local import LocalStore

PLAN = {
    "kind": "promote", "environment": "e", "target": "west", "by": "ana", "fence": ["east"], "consents": [], "alone": False,
    "workloads": [],
}  # fmt: skip
JOB = DesiredJob(True, 1, "begin-gpt", False, None, 2, (0, 1), 1, "r", 0, Program("m", (), (), {}, "checkpoints/gpt"))


class East:
    """A site that writes gpt, with its witness; nothing runs."""

    def __init__(self, root):
        (root / "witness").mkdir()
        self.folder = site_folder(root / "east")
        claim(self.folder, SiteRecord("e", None, "east", "o/p/e.east"))
        self.folder.make()
        self.witness = open_witness((root / "witness").as_uri(), "e")
        self.witness.found()
        self.assigned("east", 1)
        url = self.witness.url
        self.inputs = CheckpointRepositoryInputs(
            folder=str(self.folder.path), witness=url, environment="e", workloads=("gpt",)
        )
        self.kind = CheckpointRepository()
        self.kind.update(self.inputs)
        change(self.folder, lambda _: Desired(3, None, {"gpt": JOB}))

    def assigned(self, writer, number):
        part = WorkloadAssignment(writer=writer, term=number)
        return self.witness.assign(Assignment(number=number, workloads={"gpt": part}, cause="promote"))

    def fenced(self):
        change(self.folder, lambda now: replace(now.stopped(), fenced="a promotion elsewhere stopped it"))

    @property
    def runs(self):
        return read_desired(self.folder).jobs["gpt"].running


@pytest.fixture
def east(tmp_path):
    return East(tmp_path)


def test_what_another_site_writes_is_stopped_here_and_told_before(east):
    assert east.kind.read(east.inputs)[DRIFT] == []
    made = east.assigned("west", 2)
    bring_up_to(made, "gpt", Repository("east", LocalStore(east.folder.store)))
    assert east.kind.read(east.inputs)[DRIFT] == ["gpt runs here, and west writes it"]
    assert east.kind.update(east.inputs)[DRIFT] == []
    assert not east.runs
    assert east.kind.read(east.inputs)[DRIFT] == []


def test_a_witness_that_is_behind_or_says_otherwise_than_the_log_stops_nobody(east):
    """A site was promoted while the witness was away: until it has its copy, what runs is not judged by it."""
    log = Repository("east", LocalStore(east.folder.store)).log("gpt")
    log.seal(1, reason="promotion")
    log.open(Open(term=2, writer="east"))
    for act in (east.kind.read, east.kind.update):
        with pytest.raises(WitnessUnsound, match=r"is behind: .* opened term 2 of gpt") as told:
            act(east.inputs)
        assert told.value.hint == "drstack witness repair e --plan says more."
    east.assigned("west", 2)
    for act in (east.kind.read, east.kind.update):
        with pytest.raises(WitnessUnsound, match=r"opened for east in .* and assignment 2 says west") as told:
            act(east.inputs)
        assert "drstack promote e --to SITE" in told.value.hint
    assert east.runs


def test_what_this_site_writes_goes_on(east):
    before = read_desired(east.folder)
    east.kind.update(east.inputs)
    assert read_desired(east.folder) == before


@pytest.mark.parametrize("reached", [True, False])
def test_a_site_that_a_promotion_is_taking_the_work_from_stays_stopped_until_its_end(east, reached):
    journal = east.witness.journal(1, 1)
    assert journal.begin(PLAN)
    if reached:
        east.fenced()
    (drift,) = [each for each in east.kind.read(east.inputs)[DRIFT] if "takes its work" in each]
    assert "operation 1-1 (promote to west, begun by ana at " in drift
    assert east.kind.update(east.inputs)[DRIFT] == [drift]
    assert not east.runs
    assert read_desired(east.folder).fenced

    journal.end({"result": "abandoned", "why": "east is back"})
    east.kind.update(east.inputs)
    assert read_desired(east.folder).fenced is None


@pytest.mark.parametrize(
    "plan",
    [
        {**PLAN, "kind": "switchover"},
        {**PLAN, "alone": True},
        {**PLAN, "consents": [("skip-fence", "east")]},
        {**PLAN, "fence": ["north"]},
    ],
    ids=["a planned move", "one workload alone", "by consent left alone", "of another site"],
)
def test_what_goes_on_here_meanwhile_is_left_alone(east, plan):
    assert east.witness.journal(1, 1).begin(plan)
    east.kind.update(east.inputs)
    assert east.runs
    assert read_desired(east.folder).fenced is None


def test_a_site_knows_from_its_own_log_that_it_writes_no_more(east):
    log = Repository("east", LocalStore(east.folder.store)).log("gpt")
    assert site_writes(east.folder, "gpt")
    assert site_writes(east.folder, "a new one") is None
    log.seal(1, reason="promotion to west")
    assert site_writes(east.folder, "gpt") is False, "sealed, and nobody may write it"
    bring_up_to(east.assigned("west", 2), "gpt", Repository("east", LocalStore(east.folder.store)))
    assert site_writes(east.folder, "gpt") is False
