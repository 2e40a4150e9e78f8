"""Spans in the OpenTelemetry SDK's own terms, sent by its OTLP/HTTP exporter, which reads its own variables."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.recovery.tracing import Span
    from drstack.telemetry.otlp import Send


def sender(clean: Callable[[str], str], pid: int) -> Send:
    """`clean` takes out of a text what must not leave. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES count."""
    version = importlib.metadata.version("drstack")
    exporter = OTLPSpanExporter()
    resource = Resource.create({"service.version": version, "process.pid": pid})
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "drstack"}))
    scope = InstrumentationScope("drstack", version)

    def send(spans: Sequence[Span]) -> str | None:
        told = exporter.export([_told(span, clean, resource, scope) for span in spans])
        return None if told is SpanExportResult.SUCCESS else "the receiver did not take them"

    return send


def _told(span: Span, clean: Callable[[str], str], resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    status = Status(StatusCode.OK) if span.error is None else Status(StatusCode.ERROR, clean(span.error))
    return ReadableSpan(
        clean(span.name),
        context=_context(span.trace, span.id),
        parent=_context(span.trace, span.parent) if span.parent is not None else None,
        resource=resource,
        attributes={name: clean(value) for name, value in span.attributes.items()},
        kind=SpanKind.INTERNAL,
        status=status,
        start_time=int(span.began_at * 1e9),
        end_time=int(max(span.ended_at, span.began_at) * 1e9),
        instrumentation_scope=scope,
    )


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
