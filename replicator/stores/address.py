"""What the URL of a bucket says, and what it must not say.

Decides which spellings name the same place. Invariant: a secret is never part of an address: what looks like one is
refused, and neither it nor the value of any option is told to anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlsplit

from replicator.errors import StoreError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

Vendor = Literal["s3", "gs", "az"]

VENDORS: dict[str, Vendor] = {"s3": "s3", "gs": "gs", "az": "az", "azblob": "az"}
_OPTIONS: dict[Vendor, dict[str, str]] = {
    "s3": {"region": "region", "endpoint": "endpoint", "versions": "versions", "before": "before"},
    "gs": {"endpoint": "endpoint"},
    "az": {"account": "account", "storage_account": "account", "endpoint": "endpoint"},
}
FORMS: dict[Vendor, str] = {
    "s3": "s3://BUCKET/PREFIX?region=REGION",
    "gs": "gs://BUCKET/PREFIX",
    "az": "az://CONTAINER/PREFIX?account=ACCOUNT",
}
CREDENTIALS: dict[Vendor, str] = {
    "s3": "Give credentials as the AWS SDKs find them: AWS_ACCESS_KEY_ID, web identity, or the machine's role.",
    "gs": "Give credentials as Google's libraries find them: GOOGLE_APPLICATION_CREDENTIALS,"
    " gcloud auth application-default login, or the machine's service account.",
    "az": "Give credentials as Azure's libraries find them: AZURE_CLIENT_ID and its companions, workload identity,"
    " managed identity, or AZURE_STORAGE_KEY.",
}
USE = f"Use file:///FOLDER, {', '.join(list(FORMS.values())[:-1])} or {FORMS['az']}."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,221}")
_SECRET = re.compile(r"(key|secret|token|sig|sas|passw|credential|auth)(?!.*(id|path|type)$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket, or a container of an account, or the part of it below `prefix`. Empty fields were not given."""

    vendor: Vendor
    bucket: str
    prefix: str = ""
    region: str = ""
    account: str = ""
    endpoint: str = ""
    versions: str = ""
    """`locked`: the first version of each key that was put under lock, whatever lies over it."""
    before: str = ""
    """With it: only what was put before that time (ISO 8601; UTC unless it says otherwise)."""

    @property
    def before_s(self) -> float | None:
        """The time in `before` (unix seconds)."""
        if not self.before:
            return None
        at = datetime.fromisoformat(self.before)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()

    @property
    def plain_http(self) -> bool:
        return self.endpoint.startswith("http://")


def split(url: str) -> SplitResult:
    """The parts of a URL. StoreError if its host cannot be read."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise StoreError("this is no URL of a store: its host cannot be read", hint=USE) from error


def bucket_address(url: str) -> BucketAddress:
    """The place that `url` names. StoreError with every fault of it, and a hint."""
    parts = split(url)
    wrong, credentials = bucket_faults(url)
    vendor = VENDORS[parts.scheme]
    if wrong:
        hint = f"Use {FORMS[vendor]}." + (f" {CREDENTIALS[vendor]}" if credentials else "")
        raise StoreError(f"{without_secrets(url)}: {'; '.join(wrong)}", hint=hint)
    options = {_OPTIONS[vendor][name]: value for name, value in parse_qsl(parts.query)}
    return BucketAddress(vendor, parts.netloc, parts.path.strip("/"), **options)


def bucket_faults(url: str) -> tuple[list[str], bool]:
    """What is wrong with the URL of a bucket, and whether part of it may be a credential. Names no value of it."""
    parts = urlsplit(url)
    vendor = VENDORS[parts.scheme]
    known = _OPTIONS[vendor]
    given = parse_qsl(parts.query, keep_blank_values=True)
    wrong: list[str] = []
    credentials = carries_credentials(url)
    if "@" in parts.netloc:
        wrong.append("a URL holds no user and password")
    elif not _NAME.fullmatch(parts.netloc):
        wrong.append("not a bucket's or container's name after ://")
    unknown = sorted({_shown_name(name, value) for name, value in given if name not in known})
    if unknown:
        wrong.append(f"not an option among {', '.join(known)} (given: {', '.join(unknown)})")
    names = [known[name] for name, _ in given if name in known]
    if len(names) > len(set(names)) or any(not value for name, value in given if name in known):
        wrong.append("an option stands twice or without a value")
    if parts.fragment:
        wrong.append("a URL of a bucket has no #")
    if dict(given).get("versions", "locked") != "locked":
        wrong.append("versions is nothing but locked")
    wrong += _before_faults(dict(given))
    wrong += _endpoint_faults(vendor, dict(given).get("endpoint", ""))
    return wrong, credentials


def carries_credentials(url: str) -> bool:
    """Whether something in `url` may be a secret: user and password, or an option that is named like one."""
    parts = urlsplit(url)
    return "@" in parts.netloc or any(
        _SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)
    )


def without_secrets(url: str) -> str:
    """The URL without what may be secret: user and password, and its options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _shown_name(name: str, value: str) -> str:
    """A name without a value may be a value without a name."""
    return name if value and re.fullmatch(r"[\w.-]{1,40}", name) else "something without a name"


def _before_faults(given: dict[str, str]) -> list[str]:
    if "before" not in given:
        return []
    try:
        datetime.fromisoformat(given["before"])
    except ValueError:
        return ["before is no time like 2026-11-20T03:00"]
    return [] if "versions" in given else ["before goes with versions=locked"]


def _endpoint_faults(vendor: Vendor, endpoint: str) -> list[str]:
    if not endpoint:
        return []
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ["endpoint is not a URL"]
    if (
        parts.scheme not in ("http", "https")
        or not host
        or port == 0
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        return ["endpoint is not http://HOST:PORT or https://HOST"]
    if vendor == "az" and parts.scheme == "http" and not _is_loopback(parts):
        return ["endpoint must be https:// except on this machine: nothing but TLS would notice damage on the way"]
    return []


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
