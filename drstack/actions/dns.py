"""A DNS record says what the target site's values are: looked at, changed if it differs, looked at again.

What is looked at is the zone's own server, never a resolver, which may remember what was.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from drstack.actions.calling import Answer, NotSent, Unanswered, bounded, call
from drstack.actions.shown import shown
from drstack.extras import require
from drstack.recovery.acting import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.actions.secrets import Secrets
    from drstack.recovery.acting import Context
    from drstack.spec.acts import DnsAct

    Look = Callable[[], "tuple[int, tuple[str, ...]] | None"]
_OK = (200, 204)
_ABSENT = (404, 422)
_ONE_S = 10.0


class _Refused(Exception):
    """The server answered, and did not do it."""


def act(told: DnsAct, context: Context, secrets: Secrets) -> Said:
    require("dns", what="a step that changes DNS")
    values = tuple(told.values.get(context.target, ()))
    if not values:
        return Said("failed", f"the step has no values for {context.target}")
    try:
        return bounded(lambda: _made(told, values, secrets), context.timeout_s)
    except (_Refused, NotSent) as error:
        return Said("failed", str(error))
    except Unanswered as error:
        return Said("unknown", str(error))


def _made(told: DnsAct, values: tuple[str, ...], secrets: Secrets) -> Said:
    if told.powerdns is not None:
        server = _PowerDns(told, secrets)
        look, write = server.look, server.write
    else:
        from drstack.actions.rfc2136 import Primary  # noqa: PLC0415 - an extra's

        primary = Primary(told, secrets, refused=_Refused)
        look, write = primary.look, primary.write
    name, wanted = name_of(told), (told.ttl, normal(told.type, values))
    before = look()
    shown_before = "nothing" if before is None else ", ".join(before[1])
    if before == wanted:
        return Said("done", f"{name} says {', '.join(values)} already", {"record": name, "before": shown_before})
    write(values)
    after = look()
    if after != wanted:
        now = "nothing" if after is None else f"{', '.join(after[1])} for {after[0]} s"
        raise _Refused(f"{name} was changed and says {now}")
    return Said(
        "done", f"{name} says {', '.join(values)} (it said {shown_before})", {"record": name, "before": shown_before}
    )


def name_of(told: DnsAct) -> str:
    return told.zone if told.record == "@" else f"{told.record}.{told.zone}"


def normal(kind: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Values as dnspython writes them, in one order: addresses have several spellings."""
    import dns.rdata  # noqa: PLC0415 - an extra's

    return tuple(sorted(dns.rdata.from_text("IN", kind, value).to_text() for value in values))


class _PowerDns:
    """The API of PowerDNS's authoritative server, 4.1 or newer."""

    def __init__(self, told: DnsAct, secrets: Secrets) -> None:
        self._told, self._secrets = told, secrets
        base = secrets.filled(told.powerdns or "").rstrip("/")
        self._zone = f"{base}/api/v1/servers/{quote(told.server, safe='')}/zones/{quote(told.zone, safe='')}"
        self._headers = {"X-API-Key": secrets.filled(told.key or ""), "Content-Type": "application/json"}

    def look(self) -> tuple[int, tuple[str, ...]] | None:
        answer = self._call("GET", self._zone, None)
        if answer.status not in _OK:
            raise self._refusal(answer)
        name = name_of(self._told)
        for found in json.loads(answer.body)["rrsets"]:
            if found["name"].lower() == name.lower() and found["type"] == self._told.type:
                said = tuple(each["content"] for each in found["records"] if not each.get("disabled"))
                return found["ttl"], normal(self._told.type, said)
        return None

    def write(self, values: tuple[str, ...]) -> None:
        told = self._told
        records = [{"content": value, "disabled": False} for value in values]
        change = {
            "name": name_of(told),
            "type": told.type,
            "ttl": told.ttl,
            "changetype": "REPLACE",
            "records": records,
        }
        answer = self._call("PATCH", self._zone, json.dumps({"rrsets": [change]}).encode())
        if answer.status not in _OK:
            raise self._refusal(answer)

    def _call(self, method: str, url: str, body: bytes | None) -> Answer:
        return call(method, url, self._headers, body, timeout_s=_ONE_S)

    def _refusal(self, answer: Answer) -> _Refused:
        hint = f"no such zone or server: {self._told.zone}, " if answer.status in _ABSENT else ""
        return _Refused(f"PowerDNS answered {hint}{answer.status}: {shown(answer.body, self._secrets)[:300]}")
