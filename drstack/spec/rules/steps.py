"""Rules on users' own steps: what they name is declared, and what is for a site is there for every site they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.spec.rules.finding import Finding, Rule, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft
    from drstack.spec.steps import OwnStep

ABOUT_WORKLOADS = ("quiesce", "ship", "seal", "pin", "restore", "start", "prove")
ABOUT_SITES = ("fence", "capacity", "release")
ALONE = ("rejoin", "assign", "requests", "answers", "reconcile")


def names_of_their_own(draft: Draft) -> Iterator[Finding]:
    for name in draft.steps or {}:
        if name in (*ABOUT_WORKLOADS, *ABOUT_SITES, *ALONE):
            yield Finding(("steps", name), "the name of what drstack does itself", "another", f"write my-{name}")


def they_name_what_is_declared(draft: Draft) -> Iterator[Finding]:
    for name, step in _sound(draft):
        for field, declared in (("to", draft.sites), ("workloads", draft.workloads)):
            for at, each in enumerate(getattr(step, field)):
                if declared is not None and each not in declared:
                    yield Finding(("steps", name, field, at), repr(each), named(declared), f"take {each} out")
        for kind, field, given in (
            ("postgresql", "servers", step.postgresql.servers if step.postgresql else {}),
            ("dns", "values", step.dns.values if step.dns else {}),
        ):
            for site in given:
                if draft.sites is not None and site not in draft.sites:
                    path = ("steps", name, kind, field, site)
                    yield Finding(path, repr(site), named(draft.sites), f"write the name of a site, not {site}")


def they_have_something_for_every_target(draft: Draft) -> Iterator[Finding]:
    for name, step in _sound(draft):
        if step.postgresql is not None:
            kind, field, given = "postgresql", "servers", set(step.postgresql.servers)
        elif step.dns is not None:
            kind, field, given = "dns", "values", set(step.dns.values)
        else:
            continue
        targets = step.to or tuple(draft.sites or ())
        for site in targets:
            if site not in given:
                yield Finding(
                    ("steps", name, kind, field), f"nothing for {site}", "something for every site that it is done for",
                    f"add {site}, or write to: [{', '.join(sorted(given))}]",
                )  # fmt: skip


def anchors_are_steps(draft: Draft) -> Iterator[Finding]:
    for name, step in _sound(draft):
        for side in ("after", "before"):
            for at, anchor in enumerate(getattr(step, side)):
                expected = _unknown(anchor, name, draft)
                if expected is not None:
                    yield Finding(
                        ("steps", name, side, at), repr(anchor), expected,
                        f"write {side}: assign, or another; drstack promote ENV --to SITE --plan --as tree names them",
                    )  # fmt: skip


def _unknown(anchor: str, own: str, draft: Draft) -> str | None:
    """What is expected instead of an anchor that no operation has."""
    others = [each for each in draft.steps or {} if each != own]
    act, _, subject = anchor.partition(" ")
    if anchor in others or (anchor in (*ABOUT_WORKLOADS, *ABOUT_SITES, *ALONE)):
        return None
    if act in ABOUT_WORKLOADS and subject:
        known = draft.workloads
        return None if known is None or subject in known else f"{act} and {named(known)}"
    if act in ABOUT_SITES and subject:
        return None if draft.sites is None or subject in draft.sites else f"{act} and {named(draft.sites)}"
    shown = ", ".join(
        (*ALONE, *(f"{each} SITE" for each in ABOUT_SITES), *(f"{each} WORKLOAD" for each in ABOUT_WORKLOADS))
    )
    return f"another step: {', '.join([*others, shown])}"


def _sound(draft: Draft) -> Iterator[tuple[str, OwnStep]]:
    for name, step in (draft.steps or {}).items():
        if step is not None:
            yield name, step


STEPS: tuple[Rule, ...] = (
    names_of_their_own, they_name_what_is_declared, they_have_something_for_every_target, anchors_are_steps,
)  # fmt: skip
