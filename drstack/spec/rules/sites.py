"""Rules on sites: two at least, each in a place of its own, with witness and state outside all of them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drstack.spec.rules.finding import Finding, Rule, named
from drstack.spec.sites import LocalSite, default_folder
from drstack.spec.urls import absolute_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft

ANYWHERE = Path("/environment")
"""Stands for the root folder, which is not known when a file is judged."""


def two_sites(draft: Draft) -> Iterator[Finding]:
    if draft.sites is not None and len(draft.sites) < 2:  # noqa: PLR2004
        have = f"only {next(iter(draft.sites))}" if draft.sites else "none"
        yield Finding(("sites",), have, "at least two sites", "add a site that can take over")


def primary_exists(draft: Draft) -> Iterator[Finding]:
    if draft.sites and draft.primary is not None and draft.primary not in draft.sites:
        yield Finding(
            ("primary",), repr(draft.primary), named(draft.sites), f"write primary: {next(iter(draft.sites))}"
        )


def own_folders(draft: Draft) -> Iterator[Finding]:
    folders = {
        name: ANYWHERE / site.folder for name, site in (draft.sites or {}).items() if isinstance(site, LocalSite)
    }
    for one, other in combinations(folders, 2):
        if _overlap(folders[one], folders[other]):
            yield Finding(
                ("sites", other, "folder"),
                f"a folder that overlaps that of {one}",
                "a folder of its own for each site",
                f"write folder: {default_folder(draft.environment or 'environment', other)}",
            )


def outside_sites(draft: Draft) -> Iterator[Finding]:
    for field, url in (("witness", draft.witness), ("state", draft.state)):
        for name, site in (draft.sites or {}).items():
            if url is None or site is None:
                continue
            if isinstance(site, LocalSite):
                inside = _is_file(url) and _overlap(absolute_folder(url, ANYWHERE), ANYWHERE / site.folder)
            else:
                inside = site.adopt.bucket is not None and urlsplit(url).netloc == site.adopt.bucket
            if inside:
                local = f"write {field}: file:{field}" if isinstance(site, LocalSite) else "name another bucket"
                yield Finding((field,), repr(url), f"a store outside site {name}, which may be lost", local)


def witness_apart_from_state(draft: Draft) -> Iterator[Finding]:
    witness, state = draft.witness, draft.state
    if witness is None or state is None:
        return
    files = _is_file(witness) and _is_file(state)
    if witness == state or (files and _overlap(*(absolute_folder(url, ANYWHERE) for url in (witness, state)))):
        remedy = "write state: file:state" if files else "name another bucket or prefix"
        yield Finding(("state",), repr(state), "a store apart from the witness", remedy)


def _is_file(url: str) -> bool:
    return url.startswith("file:") and not urlsplit(url).netloc


def _overlap(one: PurePath, other: PurePath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


SITES: tuple[Rule, ...] = (two_sites, primary_exists, own_folders, outside_sites, witness_apart_from_state)
