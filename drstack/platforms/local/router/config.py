"""What Caddy is told, from which sites serve and with what weight. Pure.

Decides health checks, retries and affinity. Invariant: a site of weight 0 gets nothing, not even from a client whose
cookie names it; a request that an upstream could not answer is put to another before the client hears of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Doc = dict[str, Any]
Upstreams = "Mapping[str, Sequence[int]]"

HEALTH_EVERY, HEALTH_TIMEOUT = "250ms", "2s"
ASIDE = "1s"
"""How long an upstream that failed a request gets none."""
TRY_FOR, TRY_EVERY = "3s", "100ms"
MOST_BODY = 1 << 20
"""Bytes of a request that are kept, so that it can be put to another upstream."""


def server(workload: str, port: int, ports: Mapping[str, Sequence[int]], weights: Mapping[str, int]) -> Doc:
    """One workload's HTTP server. `ports`: of each site's replicas; `weights`: of sites."""
    handler = _nobody(workload) if not shares(ports, weights) else _proxy(workload, ports, weights)
    return {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [{"handle": [handler]}],
    }


def caddy(servers: Mapping[str, Doc], admin: str) -> Doc:
    """The whole configuration. `admin`: path of the socket of the admin API."""
    return {
        "admin": {"listen": f"unix/{admin}|0600", "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {"http": {"grace_period": "5s", "servers": dict(servers), "metrics": {}}},
    }


def shares(ports: Mapping[str, Sequence[int]], weights: Mapping[str, int]) -> dict[int, int]:
    """Weight of each replica's port, so that a site's replicas share its weight; in the smallest whole numbers."""
    serving = {site: ports[site] for site in sorted(weights) if weights[site] > 0 and ports.get(site)}
    whole = math.lcm(*(len(each) for each in serving.values()))
    found = {port: weights[site] * whole // len(each) for site, each in serving.items() for port in each}
    least = math.gcd(*found.values()) or 1
    return {port: weight // least for port, weight in found.items()}


def _proxy(workload: str, ports: Mapping[str, Sequence[int]], weights: Mapping[str, int]) -> Doc:
    shared = shares(ports, weights)
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"} for port in shared],
        "request_buffers": MOST_BODY,
        "load_balancing": {
            "selection_policy": {
                "policy": "cookie",
                "name": f"drstack-{workload}",
                "fallback": {"policy": "weighted_round_robin", "weights": list(shared.values())},
            },
            "try_duration": TRY_FOR,
            "try_interval": TRY_EVERY,
            "retry_match": [{"method": ["GET", "HEAD", "POST"]}],
        },
        "health_checks": {
            "active": {"uri": "/healthz", "interval": HEALTH_EVERY, "timeout": HEALTH_TIMEOUT, "expect_status": 200},
            "passive": {"fail_duration": ASIDE, "max_fails": 1},
        },
        "transport": {"protocol": "http", "dial_timeout": "1s", "response_header_timeout": "30s"},
    }


def _nobody(workload: str) -> Doc:
    return {
        "handler": "static_response",
        "status_code": 503,
        "headers": {"Content-Type": ["application/json"], "Retry-After": ["1"]},
        "body": f'{{"error": "no site serves {workload}"}}',
    }
