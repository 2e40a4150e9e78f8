"""Steps and checks that are HTTP requests: what an answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.actions.calling import Answer, NotSent, Unanswered, call
from drstack.actions.filling import filled
from drstack.actions.shown import shown
from drstack.recovery.acting import Checked, Said

if TYPE_CHECKING:
    from drstack.actions.secrets import Secrets
    from drstack.recovery.acting import Context
    from drstack.spec.acts import HttpAct, HttpCheck

_SAFE = ("GET", "HEAD")
_UNSURE = (408, 500, 502, 504)
"""Statuses that leave open whether the work was done: by a server that broke in the middle, or one in between."""


def act(told: HttpAct, context: Context, secrets: Secrets) -> Said:
    """An expected status is done; one that refuses is failed; anything that may have been done is unknown."""
    try:
        answer = _ask(told, context, secrets)
    except NotSent as error:
        return Said("failed", f"not sent: {error}")
    except Unanswered as error:
        return Said("failed" if told.method in _SAFE else "unknown", str(error))
    body = shown(answer.body, secrets)
    detail = f"{answer.status}: {body}" if body else str(answer.status)
    result = {"status": answer.status, "output": body}
    if _expected(told, answer.status):
        return Said("done", detail.partition("\n")[0], result)
    unsure = answer.status in _UNSURE and told.method not in _SAFE
    return Said("unknown" if unsure else "failed", detail, result)


def check(told: HttpCheck, context: Context, secrets: Secrets) -> Checked:
    try:
        answer = _ask(told, context, secrets)
    except (NotSent, Unanswered) as error:
        return Checked(None, str(error))
    if answer.status in told.absent:
        return Checked(done=False, detail=str(answer.status))
    return Checked(True if _expected(told, answer.status) else None, str(answer.status))


def _expected(told: HttpAct, status: int) -> bool:
    return status in told.expect if told.expect else 200 <= status < 300  # noqa: PLR2004 - HTTP's own


def _ask(told: HttpAct, context: Context, secrets: Secrets) -> Answer:
    headers = {name: secrets.filled(filled(value, context)) for name, value in told.headers.items()}
    headers = {"Idempotency-Key": context.token, "User-Agent": "drstack", **headers}
    body = secrets.filled(filled(told.body, context)).encode() if told.body is not None else None
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    url = secrets.filled(filled(told.url, context))
    return call(told.method, url, headers, body, timeout_s=context.timeout_s)
