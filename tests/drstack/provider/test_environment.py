from concurrent.futures import ThreadPoolExecutor

import pytest

from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.provider.environment import DeclaredWorkload, RepositorySight, decide, found_environment
from drstack.provider.reach import clock, open_witness, token
from drstack.provider.repositories import open_with
from drstack.recovery.admission import bring_up_to
from drstack.witness.assignment import Assignment, WorkloadAssignment
from replicator.repository.format import initialise
from replicator.stores.local import LocalStore

DECLARED = {"gpt": DeclaredWorkload("east", ("west",))}
CURRENT = Assignment(number=3, workloads={"gpt": WorkloadAssignment(writer="west", term=2)}, cause="promote")


def decided(declared=DECLARED, current=None, repositories=(), descriptors=()):
    return decide(declared, current, repositories, descriptors, "file:///w")


def test_assignment_1_is_made_where_nothing_knows_the_environment():
    decision = decided(repositories=[RepositorySight("file:///e", None, 0)])
    assert decision.action == "create"
    assert decision.assignment.number == 1
    part = decision.assignment.workloads["gpt"]
    assert (part.writer, part.term, part.acknowledge) == ("east", 1, ("west",))


@pytest.mark.parametrize(
    ("repositories", "descriptors"),
    [([RepositorySight("file:///e", "id", 0)], ()), ([RepositorySight("file:///e", None, 1)], ()), ((), ["east"])],
)
def test_an_empty_witness_is_an_error_where_anything_knows_the_environment(repositories, descriptors):
    with pytest.raises(WitnessUnsound) as refused:
        decided(repositories=repositories, descriptors=descriptors)
    assert "drstack witness repair" in refused.value.hint


def test_a_witness_that_is_shorter_than_a_repository_is_an_error():
    with pytest.raises(WitnessUnsound, match="has opened term 4"):
        decided(current=CURRENT, repositories=[RepositorySight("file:///e", "id", 4)])


def test_what_stands_is_taken_up_whatever_the_file_says_of_it():
    assert decided(current=CURRENT).action == "adopt"
    assert decided({"gpt": DeclaredWorkload("north")}, CURRENT).assignment is None


def test_a_new_workload_is_added_and_all_others_are_untouched():
    decision = decided({**DECLARED, "chat": DeclaredWorkload("east")}, CURRENT)
    assert (decision.action, decision.assignment.number) == ("extend", 4)
    assert decision.assignment.workloads["gpt"] == CURRENT.workloads["gpt"]
    assert decision.assignment.workloads["chat"].term == 4


def test_a_workload_that_left_the_file_stays_assigned():
    decision = decided({"chat": DeclaredWorkload("east")}, CURRENT)
    assert set(decision.assignment.workloads) == {"gpt", "chat"}


def found(witness, repositories, declared=DECLARED):
    return found_environment(witness, declared, repositories, ("east",))


def test_founding_twice_and_from_many_stacks_makes_one_assignment(tmp_path):
    url = (tmp_path / "witness").as_uri()
    repositories = [(tmp_path / name).as_uri() for name in ("east", "west")]
    with ThreadPoolExecutor(8) as pool:
        identities = list(pool.map(lambda _: found(open_witness(url, "gpt"), repositories), range(16)))
    assert len(set(identities)) == 1
    assert len(open_witness(url, "gpt").assignments()) == 1


def test_a_witness_folder_is_made_only_for_an_environment_that_nothing_knows(tmp_path):
    url, repository = (tmp_path / "witness").as_uri(), tmp_path / "east"
    identity = found(open_witness(url, "gpt"), [repository.as_uri()])
    repository.mkdir()
    store = LocalStore(repository)
    initialise(store, environment=identity, witness=url, clock=clock, token=token)
    bring_up_to(open_witness(url, "gpt").current(), "gpt", open_with(store.url, None))
    (tmp_path / "witness").rename(tmp_path / "gone")
    with pytest.raises(WitnessUnreachable):
        found(open_witness(url, "gpt"), [repository.as_uri()])
    assert not (tmp_path / "witness").exists()
    (tmp_path / "witness").mkdir()
    with pytest.raises(WitnessUnsound, match="ends at assignment 0"):
        found(open_witness(url, "gpt"), [repository.as_uri()])
    assert open_witness(url, "gpt").current() is None


@pytest.mark.parametrize(
    ("serves", "expected"), [({"east": 100, "west": 0}, {"east": 0, "west": 100}), ({"east": 50, "west": 50},) * 2]
)
def test_work_that_serves_is_added_where_the_work_is_written_now(serves, expected):
    added = decided({**DECLARED, "chat": DeclaredWorkload("east", (), serves)}, CURRENT).assignment.workloads["chat"]
    assert (added.writer, added.serves) == ("west", expected)
    first = decided({**DECLARED, "chat": DeclaredWorkload("east", (), serves)}).assignment.workloads["chat"]
    assert (first.writer, first.serves) == ("east", serves)
