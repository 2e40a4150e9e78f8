import itertools

import pytest

from drstack.provider.reach import clock, open_witness, token
from drstack.provider.roles import RolesArguments, decide_roles, get_roles
from drstack.witness.assignment import Assignment, WorkloadAssignment
from replicator.log.entries import Open
from replicator.log.workload import WorkloadLog
from replicator.stores.local import LocalStore


def assigned(number, **writers):
    workloads = {name: WorkloadAssignment(writer=writer, term=number) for name, writer in writers.items()}
    return Assignment(number=number, workloads=workloads, cause="promote")


def decided(assignment, opens, *, reachable, site="east", workloads=("gpt",)):
    return decide_roles(site, "east", workloads, assignment, opens, reachable=reachable)


def test_the_witness_says_first():
    found = decided(assigned(2, gpt="west"), {"gpt": Open(term=1, writer="east")}, reachable=True)
    assert (found.roles, found.source, found.stale, found.number) == ({"gpt": "standby"}, "witness", False, 2)


def test_with_the_witness_away_the_newest_open_says_and_is_marked():
    found = decided(None, {"gpt": Open(term=2, writer="west")}, reachable=False, site="west")
    assert (found.roles, found.source, found.stale, found.number) == ({"gpt": "writer"}, "repository", True, 2)


def test_with_neither_a_role_is_unknown():
    found = decided(None, {}, reachable=False)
    assert (found.roles, found.source, found.stale) == ({"gpt": "unknown"}, "none", True)


def test_an_empty_witness_and_repository_leave_the_declared_primary():
    assert decided(None, {}, reachable=True).roles == {"gpt": "writer"}
    assert decided(None, {}, reachable=True, site="west").roles == {"gpt": "standby"}
    assert decided(None, {}, reachable=True).source == "declared"


def test_a_witness_that_went_back_is_not_believed():
    found = decided(assigned(1, gpt="east"), {"gpt": Open(term=2, writer="west")}, reachable=True)
    assert (found.roles, found.source, found.stale) == ({"gpt": "standby"}, "repository", True)
    assert decided(None, {"gpt": Open(term=1, writer="west")}, reachable=True).source == "repository"


def test_a_workload_that_is_new_in_the_file_is_written_by_the_primary():
    found = decided(assigned(2, gpt="west"), {}, reachable=True, workloads=("gpt", "new"))
    assert found.roles == {"gpt": "standby", "new": "writer"}


@pytest.mark.parametrize(
    ("reachable", "opened", "number"), list(itertools.product([True, False], [0, 1, 2], [0, 1, 2]))
)
def test_no_two_sites_are_told_that_they_write_on_the_same_facts(reachable, opened, number):
    assignment = assigned(number, gpt="west") if number and reachable else None
    opens = {"gpt": Open(term=opened, writer="east" if opened == 1 else "west")} if opened else {}
    roles = [decided(assignment, opens, reachable=reachable, site=site).roles["gpt"] for site in ("east", "west")]
    assert roles.count("writer") <= 1


def test_reads_witness_and_repository(tmp_path):
    (tmp_path / "witness").mkdir()
    (tmp_path / "store").mkdir()
    repository = (tmp_path / "store").as_uri()
    arguments = RolesArguments(
        witness=(tmp_path / "witness").as_uri(), environment="gpt-prod", site="west", repository=repository,
        primary="east", workloads=("gpt",),
    )  # fmt: skip
    assert get_roles(arguments).source == "declared"
    witness = open_witness(arguments.witness, "gpt-prod")
    witness.assign(assigned(1, gpt="east"))
    log = WorkloadLog(LocalStore(tmp_path / "store"), "gpt", clock=clock, token=token)
    log.open(witness.current().opening("gpt"))
    assert get_roles(arguments).roles == {"gpt": "standby"}
    (tmp_path / "witness").rename(tmp_path / "gone")
    away = get_roles(arguments)
    assert (away.roles, away.source, away.stale) == ({"gpt": "standby"}, "repository", True)
    (tmp_path / "store").rename(tmp_path / "gone store")
    assert get_roles(arguments).roles == {"gpt": "unknown"}
