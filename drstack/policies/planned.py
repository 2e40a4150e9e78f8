"""Judgements on the resources that a stack is about to have.

Pure. A value that is not known yet is judged when it is: at the update, if not at the preview.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from drstack.policies.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ENVIRONMENT = "drstack:witness:Environment"
SITE = "drstack:local:Site"
REPLICATOR = "drstack:local:Replicator"


@dataclass(frozen=True, slots=True)
class Planned:
    """A resource's type, URN and inputs."""

    type: str
    urn: str
    inputs: Mapping[str, Any]


def stores_apart(resources: Sequence[Planned]) -> Iterator[Finding]:
    """No repository within another, and no witness within a site, whatever the addresses look like."""
    sites = {each.urn: PurePosixPath(str(each.inputs["folder"])) for each in resources if _has(each, SITE, "folder")}
    for each in resources:
        if each.type != ENVIRONMENT:
            continue
        repositories = [str(url) for url in cast("list[object]", each.inputs.get("repositories") or [])]
        for one, other in combinations(repositories, 2):
            if _overlap(_folder(one), _folder(other)) or one == other:
                yield Finding(f"repositories {one} and {other} are one store: two sites would share it", each.urn)
        witness = _folder(str(each.inputs.get("witness", "")))
        for folder in sites.values():
            if _overlap(witness, folder):
                yield Finding(
                    f"the witness lies in the site {folder} and is lost with it: write witness: file:witness", each.urn
                )


def copies_elsewhere(resources: Sequence[Planned]) -> Iterator[Finding]:
    """Every replicator ships to another site's repository."""
    for each in resources:
        if not _has(each, REPLICATOR, "config"):
            continue
        config = cast("dict[str, Any]", each.inputs["config"])
        others = [to for to in config.get("destinations", []) if to.get("name") != config.get("own")]
        if config.get("workloads") and not others:
            yield Finding(f"site {config.get('site')} ships its checkpoints to no other site", each.urn)


def sites_kept(resources: Sequence[Planned]) -> Iterator[Finding]:
    """Destroying a stack keeps its site's checkpoints."""
    for each in resources:
        if _has(each, SITE, "onDestroy") and each.inputs["onDestroy"] == "delete":
            yield Finding(
                f"destroying this stack deletes {each.inputs.get('folder')} with its checkpoints: write on_destroy: keep",
                each.urn,
            )


def _has(resource: Planned, type_: str, name: str) -> bool:
    return resource.type == type_ and resource.inputs.get(name) is not None


def _folder(url: str) -> PurePosixPath | None:
    parts = urlsplit(url)
    return PurePosixPath(unquote(parts.path)) if parts.scheme == "file" else None


def _overlap(one: PurePosixPath | None, other: PurePosixPath | None) -> bool:
    return one is not None and other is not None and (one.is_relative_to(other) or other.is_relative_to(one))
