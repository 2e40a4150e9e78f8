"""One HTTP request within its time, and what its end means: answered, certainly not sent, or nobody knows.

Redirects are not followed: where a request goes, with its headers, is what was declared.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeVar

from replicator.within import Late, within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

T = TypeVar("T")
KEPT_BYTES = 65536
_SPARE_S = 1.0


class NotSent(Exception):
    """Nothing reached the other side."""


class Unanswered(Exception):
    """It may have reached the other side."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


def call(method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, timeout_s: float) -> Answer:
    """NotSent, Unanswered."""
    return bounded(lambda: _call(method, url, headers, body, timeout_s), timeout_s)


def _call(method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float) -> Answer:
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - judged by spec
        if request.type not in ("http", "https"):
            raise NotSent(f"an address of the kind {request.type}:")
        opener = urllib.request.build_opener(_Stay)
    except ValueError as error:
        raise NotSent("what was declared is no HTTP address") from error
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return Answer(answer.status, answer.read(KEPT_BYTES).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(KEPT_BYTES).decode(errors="replace"))
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
            raise NotSent(str(reason)) from error
        raise Unanswered(str(reason)) from error
    except ValueError as error:  # a header with a line break, say
        raise NotSent(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"{type(error).__name__}: {error}") from error


def bounded(do: Callable[[], T], timeout_s: float) -> T:
    """What it returns or raises, if it ends in time; Unanswered otherwise, and it is left to itself."""
    try:
        return within(timeout_s + _SPARE_S, do, name="own step")
    except Late:
        raise Unanswered(f"no answer within {timeout_s:g} s") from None
