import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.platforms.local.router.config import caddy, server, shares

SITES = st.dictionaries(
    st.sampled_from(["east", "west", "north"]),
    st.tuples(st.integers(0, 100), st.integers(0, 4)),
)


@given(SITES)
def test_each_site_gets_its_weight_and_its_replicas_share_it(sites):
    ports = {site: tuple(1000 * n + k for k in range(count)) for n, (site, (_, count)) in enumerate(sites.items())}
    found = shares(ports, {site: weight for site, (weight, _) in sites.items()})
    serving = {site: weight for site, (weight, count) in sites.items() if weight and count}
    total, whole = sum(serving.values()), sum(found.values())
    for site, weight in serving.items():
        mine = [found[port] for port in ports[site]]
        assert len(set(mine)) == 1
        assert sum(mine) * total == weight * whole
    assert set(found) == {port for site in serving for port in ports[site]}
    assert all(weight >= 1 for weight in found.values())
    assert math.gcd(*found.values()) in (0, 1)


def handler(weights, ports=None):
    told = server("chat", 8080, ports or {"east": (1,), "west": (2,)}, weights)
    assert told["listen"] == ["127.0.0.1:8080"]
    return told["routes"][0]["handle"][0]


def test_a_site_of_weight_0_is_no_upstream_even_for_a_cookie_that_names_it():
    told = handler({"east": 0, "west": 100})
    assert told["upstreams"] == [{"dial": "127.0.0.1:2"}]
    policy = told["load_balancing"]["selection_policy"]
    assert (policy["policy"], policy["name"], policy["fallback"]["weights"]) == ("cookie", "drstack-chat", [1])


@pytest.mark.parametrize("weights", [{}, {"east": 0}, {"north": 100}])
def test_where_nobody_serves_the_client_is_told(weights):
    told = handler(weights)
    assert (told["handler"], told["status_code"]) == ("static_response", 503)
    assert "no site serves chat" in told["body"]


def test_the_admin_api_is_a_socket_of_our_own():
    assert caddy({}, "/run/x.sock")["admin"]["listen"] == "unix//run/x.sock|0600"
