"""What lies outside the sites: Pulumi's state, descriptors on the witness, controllers, the router of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import seen, told, unknown
from drstack.recovery.status import spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Descriptor, Situation


def outside(situation: Situation) -> Iterator[Finding]:
    for each in situation.troubles:
        yield finding(each.id, each.what, each.remedy, each.evidence)
    yield from _backend(situation)
    for site, descriptor in situation.descriptors.items():
        yield from _descriptor(situation, site, descriptor)
    for site, look in situation.looks.items():
        for controller in look.controllers:
            yield finding(
                "controller-undoes", f"{controller.name} would undo {controller.undoes} at {site}", controller.remedy,
                seen(f"site {site}", look.at), site=site, role="standby",
            )  # fmt: skip
    yield from _router(situation)


def _backend(situation: Situation) -> Iterator[Finding]:
    backend = situation.backend
    if backend is None or backend.answers:
        return
    if backend.answers is None:
        yield finding(
            "state-unknown", f"whether Pulumi's state in {backend.url} answers cannot be asked from here: {backend.why}",
            f"drstack env {situation.environment}, then: pulumi stack ls", unknown(backend.url),
        )  # fmt: skip
        return
    yield finding(
        "state-unreachable",
        f"Pulumi's state in {backend.url} does not answer: {backend.why}; a promotion goes on, and reconciles later",
        "its URL (`state:` in the environment file), credentials and the path to it", seen(backend.url, situation.at),
    )  # fmt: skip


def _descriptor(situation: Situation, site: str, descriptor: Descriptor | None) -> Iterator[Finding]:
    up = f"drstack up {situation.environment} --site {site}"
    if descriptor is None:
        yield finding(
            "descriptor-absent", f"{site} has published nothing: what it has to turn is not known", f"{up} --refresh",
            told(situation.witness, None), site=site, role="standby",
        )  # fmt: skip
        return
    look = situation.looks.get(site)
    unlike = list(look.unlike) if look is not None else []
    missing = sorted(set(situation.needs) - descriptor.workloads)
    unlike += [f"it knows nothing of {', '.join(missing)}"] if missing else []
    known = (descriptor.environment_id, situation.environment_id)
    if None not in known and known[0] != known[1]:
        unlike.append(f"it was published for environment {known[0]}; the witness's is {known[1]}")
    if unlike:
        evidence = told(f"descriptor {descriptor.number} of {site} on {situation.witness}", descriptor.at)
        yield finding(
            "descriptor-stale",
            f"what {site} published {spell(situation.at - descriptor.at)} ago is not so: {'; '.join(unlike)}",
            f"{up} --refresh", evidence, site=site, role="standby",
        )  # fmt: skip


def _router(situation: Situation) -> Iterator[Finding]:
    router = situation.router
    if not situation.serving:
        return
    if router is None or not router.reachable:
        why = "no site has said where it is" if router is None else router.why
        yield finding(
            "router-unreachable", f"requests cannot be moved: the router cannot be seen: {why}",
            f"drstack up {situation.environment} --refresh", unknown("the router"),
        )  # fmt: skip
        return
    evidence = seen("the router", situation.at)
    for name, shares in situation.serving.items():
        assigned = {site: share for site, share in shares.items() if share}
        turned = {site: share for site, share in router.weights.get(name, {}).items() if share}
        to = ",".join(f"{site}={share}" for site, share in assigned.items())
        if assigned != turned and situation.operation is None:
            yield finding(
                "router-turned", f"{name}: the router sends {_words(turned)}; assigned is {_words(assigned)}",
                f"drstack traffic {situation.environment} --to {to} --workload {name}", evidence,
            )  # fmt: skip
        for site, ready in router.healthy.get(name, {}).items():
            if not ready:
                yield finding(
                    "replicas-unready", f"{name}: no replica at {site} answers",
                    f"drstack up {situation.environment} --site {site} --refresh", evidence, site=site,
                )  # fmt: skip


def _words(shares: dict[str, int]) -> str:
    return ", ".join(f"{share} % to {site}" for site, share in sorted(shares.items())) or "nothing"
