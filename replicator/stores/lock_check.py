"""Whether a bucket keeps what is locked in it, against the credentials at hand: tried on an object of our own, not guessed.

Three outcomes: `held`, `broken` (with the remedy), and `unknown`, where nobody here may see it. Invariant: nothing but the own
probe object is touched, and what is unknown is never taken for held.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from replicator.errors import Denied, KeyMissing, LockRefused, NotLocked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from replicator.stores.lock import Mode
    from replicator.stores.s3_control import S3Control

State = Literal["held", "broken", "unknown"]
PROBE_S = 60.0
"""For how long the probe object is locked; it is all that stays behind."""


@dataclass(frozen=True, slots=True)
class Finding:
    about: str
    state: State
    told: str
    remedy: str | None = None

    def document(self) -> dict[str, object]:
        return asdict(self)

    def text(self) -> str:
        return f"  {self.state:8} {self.about}: {self.told}" + (
            f"\n           next: {self.remedy}" if self.remedy else ""
        )


def require(findings: Sequence[Finding]) -> None:
    """LockRefused unless everything is held; it names what is not, and each remedy."""
    wrong = [each for each in findings if each.state != "held"]
    if wrong:
        raise LockRefused(
            "this is no immutable copy: " + "; ".join(f"{each.about} ({each.state}): {each.told}" for each in wrong),
            hint="; ".join(dict.fromkeys(each.remedy for each in wrong if each.remedy)) or None,
        )


def look(control: S3Control, mode: Mode, *, clock: Callable[[], float]) -> list[Finding]:
    """What is found, first to last. StoreUnavailable where the store did not answer."""
    found = [_configured(control), _versioned(control)]
    if any(each.state == "broken" for each in found):
        return found
    key = f"probes/{secrets.token_hex(8)}"
    until = datetime.fromtimestamp(clock() + PROBE_S, tz=UTC)
    try:
        made = control.ask(
            "put_object", key, Body=b"probe", ObjectLockMode=mode.upper(), ObjectLockRetainUntilDate=until,
            ChecksumAlgorithm="SHA256",
        )  # fmt: skip
    except LockRefused as error:
        return [
            *found,
            Finding("putting under lock", "broken", str(error), "Allow s3:PutObject and s3:PutObjectRetention."),
        ]
    version = str(made.get("VersionId", ""))
    return [*found, _shown(control, key, version), *_tried(control, key, version, mode, until.timestamp())]


def _configured(control: S3Control) -> Finding:
    about = "object lock"
    try:
        told = control.ask("get_object_lock_configuration", None)
    except NotLocked:
        return Finding(
            about, "broken", "the bucket has none", "Make a bucket with object lock; it cannot be given one by us."
        )
    except Denied as error:
        return Finding(about, "unknown", str(error), "Allow s3:GetBucketObjectLockConfiguration.")
    enabled = told.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
    return Finding(about, "held" if enabled else "broken", "enabled" if enabled else "the bucket has none")


def _versioned(control: S3Control) -> Finding:
    about = "versions"
    try:
        status = control.ask("get_bucket_versioning", None).get("Status")
    except Denied as error:
        return Finding(about, "unknown", str(error), "Allow s3:GetBucketVersioning.")
    if status == "Enabled":
        return Finding(about, "held", "kept")
    return Finding(about, "broken", f"the bucket's versioning is {status or 'off'}", "Enable the bucket's versioning.")


def _shown(control: S3Control, key: str, version: str) -> Finding:
    about = "seeing locks"
    try:
        shown = control.mode_of(key, version)
    except Denied as error:
        return Finding(about, "unknown", str(error), "Allow s3:GetObjectRetention.")
    if shown is None:
        return Finding(about, "broken", "the store took a lock and shows none", "Use another store.")
    return Finding(about, "held", f"shown ({shown.lower()})")


def _tried(control: S3Control, key: str, version: str, mode: Mode, until: float) -> list[Finding]:
    """What these credentials can do to a locked version. Shortening comes before deleting, which ends the probe."""
    earlier = {"Mode": mode.upper(), "RetainUntilDate": datetime.fromtimestamp(until - PROBE_S / 2, tz=UTC)}
    bypass = "Take s3:BypassGovernanceRetention from these credentials, or declare mode: compliance."
    tries: list[tuple[str, str, dict[str, Any]]] = [
        ("shortening", "put_object_retention", {"Retention": earlier}),
        ("deleting", "delete_object", {}),
    ]
    if mode == "governance":
        tries += [
            (
                "shortening with bypass",
                "put_object_retention",
                {"Retention": earlier, "BypassGovernanceRetention": True},
            ),
            ("deleting with bypass", "delete_object", {"BypassGovernanceRetention": True}),
        ]
    found: list[Finding] = []
    for about, verb, given in tries:
        try:
            control.ask(verb, key, VersionId=version, **given)
        except (LockRefused, KeyMissing) as error:
            gone = isinstance(error, KeyMissing) and any(each.state == "broken" for each in found)
            found.append(
                Finding(about, "broken" if gone else "held", "the probe is gone" if gone else "refused by the store")
            )
        else:
            remedy = bypass if "bypass" in about else "This store does not keep locks: use another."
            found.append(Finding(about, "broken", "these credentials could do it", remedy))
    return found
