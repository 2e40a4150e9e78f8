"""Judgements on an environment file that holds: what nothing forbids to write, and a disaster would punish.

Pure. What makes a file wrong in itself is `drstack.spec.rules`'; here it is about where things stand.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from drstack.policies.finding import Finding
from drstack.spec.sites import AwsSite, LocalSite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec import Environment, Site


def sites_apart(environment: Environment) -> Iterator[Finding]:
    """Two sites in one failure domain are lost together."""
    for one, other in combinations(environment.sites, 2):
        here, there = _domain(environment.sites[one]), _domain(environment.sites[other])
        if here is not None and here == there:
            yield Finding(
                f"sites {one} and {other} are both in {here} and are lost together: give {other} another region"
            )


def repositories_apart(environment: Environment) -> Iterator[Finding]:
    """One bucket is one copy."""
    for one, other in combinations(environment.sites, 2):
        here, there = _bucket(environment.sites[one]), _bucket(environment.sites[other])
        if here is not None and here == there:
            yield Finding(f"sites {one} and {other} keep checkpoints in one bucket, {here}: name another for {other}")


def stores_outside_sites(environment: Environment) -> Iterator[Finding]:
    """Witness and state outlive the region of any site: promotion needs the first, what follows it the second."""
    for field, url in (("witness", environment.witness), ("state", environment.state)):
        for name, site in environment.sites.items():
            if isinstance(site, AwsSite) and _s3_region(url) == site.region:
                yield Finding(
                    f"{field} {url} lies in {site.region}, the region of site {name}: "
                    "name a bucket in a region where no site is"
                )


def rehearsal_only(environment: Environment) -> Iterator[Finding]:
    """Local sites share a machine."""
    names = [name for name, site in environment.sites.items() if isinstance(site, LocalSite)]
    if len(names) == len(environment.sites):
        yield Finding(f"sites {', '.join(names)} are on one machine: good to rehearse on, no protection from its loss")


def spare_checkpoints(environment: Environment) -> Iterator[Finding]:
    """With one checkpoint kept, a damaged one leaves nothing to go back to."""
    if environment.replication.keep.least() < 2:  # noqa: PLR2004
        yield Finding("replication.keep is 1: a damaged checkpoint would leave nothing older; write keep: 2 or more")


def _domain(site: Site) -> str | None:
    """What takes down all that is in it; None where that is not told."""
    if isinstance(site, LocalSite):
        return None
    if site.platform in {"aws", "gcp"}:
        return f"{site.platform} {site.region}"
    return site.region or (f"cluster {site.adopt.cluster}" if site.adopt.cluster else None)


def _bucket(site: Site) -> str | None:
    return None if isinstance(site, LocalSite) or site.adopt.bucket is None else f"{site.platform} {site.adopt.bucket}"


def _s3_region(url: str) -> str | None:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return options.get("region") if parts.scheme == "s3" and "endpoint" not in options else None
