"""GET and PUT to a link-local metadata service: a deadline, no proxy, no redirect, an answer of bounded size."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_BYTES = 1 << 20
_NOT_FOUND = 404


class NoticeUnreadable(ReplicatorError):
    hint = "The run goes on without the cloud's notices; SIGTERM still counts."

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        del req, fp, code, msg, headers, newurl


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


@dataclass(frozen=True, slots=True)
class Metadata:
    """A service at `base` (scheme, host and port), asked with a deadline of `timeout_s` for each answer."""

    base: str
    timeout_s: float = 2.0

    def get(self, path: str, headers: Mapping[str, str]) -> str | None:
        """The answer's text; None for 404, which is how these services say that there is nothing. NoticeUnreadable."""
        return self._ask("GET", path, headers)

    def put(self, path: str, headers: Mapping[str, str]) -> str:
        answer = self._ask("PUT", path, headers)
        if answer is None:
            raise NoticeUnreadable(f"PUT {self.base}{path}: not found", status=_NOT_FOUND)
        return answer

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        where = f"{method} {self.base}{path}"
        if not self.base.startswith(("http://", "https://")):
            raise NoticeUnreadable(f"{where}: not an http URL")
        request = urllib.request.Request(self.base + path, method=method, headers=dict(headers))  # noqa: S310 - checked above
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as answer:
                body: bytes = answer.read(_MAX_BYTES)
                return body.decode()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == _NOT_FOUND:
                    return None
                raise NoticeUnreadable(f"{where}: HTTP {error.code}", status=error.code) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoticeUnreadable(f"{where}: {error}") from error
