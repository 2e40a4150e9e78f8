"""Tells people or another system: a JSON body to a webhook, in its own form, Slack's or PagerDuty's, or a mail by SMTP."""

from __future__ import annotations

import json
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Any

from drstack.actions.calling import NotSent, Unanswered, bounded, call
from drstack.actions.filling import filled
from drstack.actions.shown import shown
from drstack.recovery.acting import Said

if TYPE_CHECKING:
    from drstack.actions.secrets import Secrets
    from drstack.recovery.acting import Context
    from drstack.spec.acts import Email, NotifyAct

Doc = dict[str, Any]
_SEVERITY = {"failed": "critical", "begin": "warning", "end": "info", "step": "info"}
_PORT = 587


def tell(told: NotifyAct, context: Context, message: Doc, secrets: Secrets) -> Said:
    """`message`: `moment` and `text`, as the journal has them. Not telling is failed or unknown, never raised."""
    try:
        if told.email is not None:
            email = told.email
            return bounded(lambda: _mail(email, context, message, secrets), context.timeout_s)
        headers = {name: secrets.filled(filled(value, context)) for name, value in told.headers.items()}
        headers = {"Content-Type": "application/json", "Idempotency-Key": _token(context, message), **headers}
        body = json.dumps(_body(told, context, message, secrets)).encode()
        answer = call(
            "POST", secrets.filled(filled(told.webhook or "", context)), headers, body, timeout_s=context.timeout_s
        )
    except NotSent as error:
        return Said("failed", f"not sent: {error}")
    except Unanswered as error:
        return Said("unknown", str(error))
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own
        return Said("done", f"told ({answer.status})")
    return Said("failed", f"{answer.status}: {shown(answer.body, secrets)[:300]}")


def _token(context: Context, message: Doc) -> str:
    return f"{context.token}/{message['moment']}"


def _body(told: NotifyAct, context: Context, message: Doc, secrets: Secrets) -> Doc:
    text = str(message["text"])
    if told.style == "slack":
        return {"text": text}
    if told.style == "pagerduty":
        ended = message["moment"] == "end"
        return {
            "routing_key": secrets.filled(told.key or ""), "event_action": "resolve" if ended else "trigger",
            "dedup_key": f"drstack/{context.environment}/{context.operation}",
            "payload": {
                "summary": text[:1024], "source": f"drstack/{context.environment}",
                "severity": _SEVERITY.get(str(message["moment"]), "info"), "custom_details": _facts(context, message),
            },
        }  # fmt: skip
    return {"text": text, **_facts(context, message), "token": _token(context, message)}


def _facts(context: Context, message: Doc) -> Doc:
    return {
        "moment": message["moment"], "environment": context.environment, "operation": context.operation,
        "kind": context.kind, "target": context.target, "from": list(context.sources),
        "workloads": list(context.workloads), "why": message.get("why"),
    }  # fmt: skip


def _mail(told: Email, context: Context, message: Doc, secrets: Secrets) -> Said:
    host, _, port = told.smtp.partition(":")
    mail = EmailMessage()
    mail["From"], mail["To"] = told.sender, ", ".join(told.to)
    mail["Subject"] = " ".join(str(message["text"]).split())[:200]
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=told.sender.rpartition("@")[2])
    mail["X-Drstack-Token"] = _token(context, message)
    mail.set_content(f"{message['text']}\n\n" + "".join(f"{k}: {v}\n" for k, v in _facts(context, message).items()))
    secure = ssl.create_default_context()
    sent = False
    try:
        number = int(port or _PORT)
        if told.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, number, timeout=context.timeout_s, context=secure)
        else:
            server = smtplib.SMTP(host, number, timeout=context.timeout_s)
        with server:
            if told.tls == "starttls":
                server.starttls(context=secure)
            if told.user is not None and told.password is not None:
                server.login(told.user, secrets.filled(told.password))
            sent = True
            refused = server.send_message(mail)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        why = f"{told.smtp}: {error}"
        if sent and not isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
            raise Unanswered(why) from error
        raise NotSent(why) from error
    missed = f"; refused for {', '.join(refused)}" if refused else ""
    return Said("done", f"mailed to {', '.join(each for each in told.to if each not in refused)}{missed}")
