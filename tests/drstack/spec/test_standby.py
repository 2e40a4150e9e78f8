import pytest

from drstack.errors import DrstackError, EnvironmentUnknown
from drstack.spec import standby_slots
from tests.drstack.spec.declared import LOCAL, parsed


@pytest.mark.parametrize(
    ("strategy", "ready"), [("active-active", 5), ("active-passive", 1), ("pilot-light", 0), ("cloud-burst", 0)]
)
def test_a_strategy_sets_the_standby_that_is_not_declared(strategy, ready):
    environment = parsed(LOCAL.replace("active-passive", strategy))
    assert standby_slots(environment, "west", "standby") == ready
    assert standby_slots(environment, "west", "primary") == 5


@pytest.mark.parametrize(("capacity", "ready"), [("40%", 2), ("3", 3), ("0", 0), ("50", 5)])
def test_a_declared_capacity_comes_first(capacity, ready):
    text = LOCAL.replace("west: {platform: local}", f"west: {{platform: local, capacity: {capacity}}}")
    assert standby_slots(parsed(text), "west", "standby") == ready


def test_an_unknown_site_is_answered_with_those_there_are():
    with pytest.raises(EnvironmentUnknown) as raised:
        standby_slots(parsed(), "moon", "standby")
    assert raised.value.hint == "Its sites are: east, west."


def test_a_site_that_does_not_count_in_slots_is_refused():
    text = LOCAL.replace("workloads:", "  far: {platform: aws, region: r}\nworkloads:")
    with pytest.raises(DrstackError, match="does not count in slots"):
        standby_slots(parsed(text), "far", "standby")
