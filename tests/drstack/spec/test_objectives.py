import pytest

from drstack.spec import Objectives, Replication, Workload, attained_rpo, objectives
from tests.drstack.spec.declared import parsed, with_line

HOUR_S = 3600
BY_CLASS = {
    "training": (4 * HOUR_S, 8 * HOUR_S),
    "weights": (0, HOUR_S),
    "dataset": (24 * HOUR_S, 24 * HOUR_S),
    "inference": (300, 900),
    "registry": (0, HOUR_S),
    "development": (24 * HOUR_S, 24 * HOUR_S),
    "config": (0, 900),
}


@pytest.mark.parametrize("kind", BY_CLASS)
def test_a_class_sets_the_objectives_that_are_not_declared(kind):
    assert objectives(Workload.model_validate({"class": kind})) == Objectives(*BY_CLASS[kind], "class")


def test_declared_objectives_come_first():
    workload = parsed(with_line("    rpo: 2h\n    rto: 90s")).workloads["gpt"]
    assert objectives(workload) == Objectives(7200, 90, "declared")
    assert objectives(parsed(with_line("    rpo: 2h")).workloads["gpt"]) == Objectives(7200, 8 * HOUR_S, "mixed")


def test_a_declared_zero_is_not_taken_for_absent():
    assert objectives(Workload.model_validate({"class": "training", "rpo": 0})).rpo_s == 0


def test_attained_rpo_is_interval_and_save_and_ship():
    assert attained_rpo(2700, 40, 300) == 3040


def test_rpo_zero_is_acknowledged_near_unless_told_otherwise():
    assert Replication().acknowledgement("gpt", 0) == "near"
    assert Replication().acknowledgement("gpt", 60) == "none"
    assert Replication(acknowledge={"gpt": "near"}).acknowledgement("gpt", 60) == "near"


def test_a_recovery_point_is_stored_and_decoded_unless_told_otherwise():
    replication = Replication(receipts={"training": ("stored", "decoded", "proved")})
    assert replication.demanded("training") == ("stored", "decoded", "proved")
    assert replication.demanded("weights") == ("stored", "decoded")
