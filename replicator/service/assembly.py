"""A site's service put together: for each workload its spool, stores and workers, all on one uplink."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.crypto.keyring import find_keyring
from replicator.repository.anchors import open_anchors
from replicator.repository.establish import open_at
from replicator.repository.repository import Repository, random_token
from replicator.service.acknowledging import Acknowledging
from replicator.service.anchoring import Anchoring
from replicator.service.attestation import Attestation
from replicator.service.immutable import Extending, locks_of, open_destination
from replicator.service.intake import Intake
from replicator.service.keeping import Keeping
from replicator.service.pace import Pace
from replicator.service.shaped import ShapedStore
from replicator.service.shipping import Shipping
from replicator.service.spool import Spool
from replicator.service.tiering import Tiering, open_tier
from replicator.service.uplink import Lane, Uplink, pack_bytes
from replicator.service.verifying import Verifying
from replicator.service.workload import Workload
from replicator.service.yielding import PeerWatch
from replicator.stores.meter import Meter, MeteredStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.crypto.keyring import Keyring
    from replicator.service.config import Destination, ServiceConfig, WatchedWorkload

_MEMORY = ".manifests"
"""Below the spool: what a writer that reads nothing back remembers of its own pushes."""
_VERIFICATION = ".verification"
"""Below the spool: where scrubbing is, what was drilled, and where drills restore to."""
_PEER_S = 60.0


def uplink_of(config: ServiceConfig) -> Uplink:
    lanes = {
        each.name: Lane(
            pace=None
            if each.ceiling_bytes_per_s is None
            else Pace.within(each.floor_bytes_per_s, each.ceiling_bytes_per_s),
            floor=each.floor_bytes_per_s,
        )
        for each in config.destinations
    }
    return Uplink(time.monotonic, config.uplink_bytes_per_s, lanes)


def keys_of(config: ServiceConfig) -> Keyring | None:
    return find_keyring(Path(config.keys)) if config.keys else None


def build(config: ServiceConfig, watched: WatchedWorkload, uplink: Uplink, keys: Keyring | None) -> Workload:
    spool = Spool(Path(config.spool) / watched.name)
    memory = Path(config.spool) / _MEMORY

    def unshaped(name: str, url: str) -> Repository:
        return open_at(url, keys, name=name, memory=memory)

    own_url = next(each.url for each in config.destinations if each.name == config.own)
    keeping = Keeping(
        unshaped(config.own, own_url), watched.name, config.verifier or config.site, watched.keep, config.drop_grace_s,
        config.poll_s, compacts=watched.compact,
    )  # fmt: skip
    wake = [threading.Event() for _ in config.destinations]
    made = Workload(
        watched,
        unshaped(config.own, own_url),
        [unshaped(each.name, each.url) for each in config.destinations],
        Intake(
            watched.name,
            Path(watched.path),
            spool,
            random_token,
            config.quiet_s,
            policy=watched.admission.policy(),
            code=Path(watched.code) if watched.code else None,
            here=watched.trains_here,
        ),
        spool,
        [],
        keeping,
        wake,
        Acknowledging(spool, config.own),
    )
    made.shippers = [
        _shipper(each, made, event, uplink, keys, memory) for each, event in zip(config.destinations, wake, strict=True)
    ]
    return made


def tiering_of(config: ServiceConfig, keys: Keyring | None) -> Tiering | None:
    """None where there is one tier at most."""
    if len(config.tiers) < 2:  # noqa: PLR2004
        return None
    memory = Path(config.spool) / _MEMORY
    return Tiering(
        config.tiers,
        {each.name: open_tier(each, keys, memory) for each in config.tiers},
        [each.name for each in config.workloads],
        config.verifier or config.site,
        config.drop_grace_s,
        config.tier_every_s,
    )


def peer_watches(
    config: ServiceConfig, workloads: Sequence[Workload], uplink: Uplink, keys: Keyring | None
) -> list[PeerWatch]:
    """One for each destination but the own, whose log is read anyway."""
    names = [each.watched.name for each in workloads]

    def waits(name: str) -> bool:
        return any(each.role == "writer" and each.spool.pending(name) for each in workloads)

    return [
        PeerWatch(open_at(each.url, keys, name=each.name), names, uplink, lambda name=each.name: waits(name))
        for each in config.destinations
        if each.name != config.own
    ]


def anchoring_of(config: ServiceConfig, workloads: Sequence[Workload], keys: Keyring | None) -> Anchoring | None:
    """None where nothing is anchored. From then on nobody writes to a log of which it says that it was rolled back."""
    told = config.anchor
    if told is None:
        return None
    names = sorted(config.destinations, key=lambda each: each.name != config.own)
    roles = {each.watched.name: each for each in workloads}
    made = Anchoring(
        open_anchors(told.url, told.environment, clock=time.time, token=random_token),
        [open_at(each.url, keys, name=each.name) for each in names],
        list(roles),
        lambda name: roles[name].role == "writer",
        told.every_s,
        told.every_slots,
    )
    for each in workloads:
        name = each.watched.name
        each.keeping.rolled_back = lambda name=name: made.rolled_back(name, config.own)
        for shipper in each.shippers:
            shipper.rolled_back = lambda name=name, there=shipper.repository.name: made.rolled_back(name, there)
    return made


def verifying_of(
    config: ServiceConfig,
    workloads: Sequence[Workload],
    uplink: Uplink,
    keys: Keyring | None,
    anchoring: Anchoring | None,
) -> Verifying | None:
    """None where neither scrubs nor drills are wanted."""
    if config.scrub is None and config.drill is None:
        return None
    own = next(each for each in config.destinations if each.name == config.own)
    return Verifying(
        open_at(own.url, keys, name=own.name),
        [open_at(each.url, keys, name=each.name, limit_s=_PEER_S) for each in config.destinations if each != own],
        config.verifier or config.site,
        Path(config.spool) / _VERIFICATION,
        config.scrub,
        config.drill,
        lambda: uplink.held,
        lambda name: None if anchoring is None else anchoring.rolled_back(name, own.name),
        lambda: sum(each.keeping.failed for each in workloads),
    )


def _shipper(
    destination: Destination,
    workload: Workload,
    wake: threading.Event,
    uplink: Uplink,
    keys: Keyring | None,
    memory: Path,
) -> Shipping:
    meter = Meter(time.time)
    watched = workload.watched

    def deadline_at() -> float:
        """When the objective is missed if what is being sent does not arrive."""
        since = made.status.last_saved_at if made.status.last_saved_at is not None else made.sending_saved_at
        rpo_s = workload.watched.rpo_s
        return math.inf if rpo_s is None else since + rpo_s

    metered = MeteredStore(open_destination(destination), meter, time.monotonic)
    shaped = ShapedStore(metered, uplink, destination.name, deadline_at)
    there = Repository(destination.name, shaped, keys=keys, memory=memory)
    made = Shipping(
        there, workload.spool, wake, workload.sealed, workload=watched.name, meter=meter,
        pack_bytes=lambda: pack_bytes(uplink.lanes[destination.name]),
        attestation=Attestation(there, watched.name, watched.receipts, time.monotonic),
    )  # fmt: skip
    if destination.immutable is not None and (locks := locks_of(destination)) is not None:
        made.extend = Extending(there, watched.name, destination.immutable, locks).extend
    return made
