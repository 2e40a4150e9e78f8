"""Sends spans by OTLP over HTTP, where the standard variables of OpenTelemetry say to.

Decides when to send and what is left out. Invariant: whoever ends a span never waits and never sees an error: a thread of
its own imports the exporter, sends, and drops what cannot be sent, with one warning; the process waits for it at its end
for a bounded time. What looks like a credential does not leave.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
import time
from contextlib import suppress
from importlib import import_module
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Protocol

from drstack.recovery.tracing import NoSpans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.recovery.tracing import Span, Spans

import_module("concurrent.futures.thread")  # the exporter's imports need it, and it cannot be imported first at exit

FLUSH_S = 2.0
"""How long a process waits at its end for what was not sent yet."""
ROOM = 4096
_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSPHRASE|TOKEN|CREDENTIAL|API_KEY|ACCOUNT_KEY|PRIVATE_KEY|HEADERS", re.IGNORECASE
)
_IN_URLS = re.compile(r"(?<=://)[^/@\s]+@|\?[^\s'\"]*")
_LEAST, _MOST = 6, 500


class Send(Protocol):
    def __call__(self, spans: Sequence[Span]) -> str | None:
        """Why they could not be sent; None where they were."""
        ...


class Exporter:
    """`make` gives what sends; it is called in the thread, at the first span."""

    def __init__(self, make: Callable[[], Send], warn: Callable[[str], None]) -> None:
        self._make = make
        self._warn = warn
        self._waiting: Queue[Span | None] = Queue(ROOM)
        self._lock = Lock()
        self._thread: Thread | None = None
        self._warned = False

    def ended(self, span: Span) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="traces", daemon=True)
                self._thread.start()
                atexit.register(self.close)
        try:
            self._waiting.put_nowait(span)
        except Full:
            self._once("more ended than could be sent")

    def close(self, within_s: float = FLUSH_S) -> None:
        """Wait for what is not sent yet, no longer than that."""
        atexit.unregister(self.close)
        if self._thread is None or not self._thread.is_alive():
            return
        ends = time.monotonic() + within_s
        with suppress(Full):
            self._waiting.put(None, timeout=within_s)
        self._thread.join(max(0.0, ends - time.monotonic()))
        if self._thread.is_alive():
            self._once(f"the receiver did not answer within {within_s:g} s")

    def _run(self) -> None:
        try:
            send: Send | None = self._make()
        except Exception as error:  # noqa: BLE001 - told once; traces are never worth an operation
            send = None
            self._once(str(error))
        last = False
        while not last:
            batch, last = self._batch()
            if batch and send is not None:
                try:
                    why = send(batch)
                except Exception as error:  # noqa: BLE001 - as above
                    why = str(error)
                if why is not None:
                    self._once(why)

    def _batch(self) -> tuple[list[Span], bool]:
        """What waits, at least one; and whether it is the last."""
        found: list[Span] = []
        each = self._waiting.get()
        while each is not None:
            found.append(each)
            try:
                each = self._waiting.get_nowait()
            except Empty:
                return found, False
        return found, True

    def _once(self, why: str) -> None:
        with self._lock:
            if self._warned:
                return
            self._warned = True
        self._warn(f"traces are not sent: {why}")


def spans_from(environ: Mapping[str, str], warn: Callable[[str], None] | None = None) -> Spans:
    """Where OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is set: an exporter; else nobody."""
    named = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = (
        environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if not named or off:
        return NoSpans()
    secrets = [value for name, value in environ.items() if _SECRET_NAME.search(name) and len(value) >= _LEAST]
    return Exporter(lambda: _sender(environ, secrets), warn or _tell)


def _tell(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def clean(text: str, secrets: Sequence[str]) -> str:
    """Without credentials in addresses, and without any of the secrets, at most 500 characters."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return _IN_URLS.sub("", text)[:_MOST]


def _sender(environ: Mapping[str, str], secrets: Sequence[str]) -> Send:
    """RuntimeError where it cannot be had."""
    how = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if how != "http/protobuf":
        raise RuntimeError(f"{how} is not spoken here; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf")
    try:
        from drstack.telemetry.sdk import sender  # noqa: PLC0415 - takes long, and is an extra
    except ModuleNotFoundError as error:
        raise RuntimeError(f"{error.name} is not installed here: pip install 'drstack[otel]'") from error
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return sender(lambda text: clean(text, secrets), os.getpid())
