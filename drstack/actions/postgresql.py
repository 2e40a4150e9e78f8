"""A streaming standby of PostgreSQL becomes the primary: looked at, promoted by `pg_promote()`, looked at again.

Invariant: it is not promoted while another of the step's servers is seen to take writes, or nothing proves that none
does, without a person's consent (`drstack.recovery.unfenced`). The password goes to the server and nowhere else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from drstack.actions.calling import Unanswered, bounded
from drstack.errors import StepFailed
from drstack.extras import require
from drstack.recovery.acting import Said
from drstack.recovery.unfenced import objection

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from drstack.actions.secrets import Secrets
    from drstack.recovery.acting import Context
    from drstack.recovery.unfenced import Other
    from drstack.spec.acts import PostgresAct

Doc = dict[str, Any]
_LOOK_S = 5
_STATE = (
    "SELECT pg_is_in_recovery(), current_setting('server_version'), "
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text, "
    "extract(epoch from pg_last_xact_replay_timestamp())::float8, "
    "(SELECT system_identifier::text FROM pg_control_system())"
)
_REFUSED = "Connection refused"


def act(told: PostgresAct, context: Context, secrets: Secrets) -> Said:
    """Done, and left alone, where it is the primary already."""
    require("postgresql", what="a step that promotes PostgreSQL")
    address = told.servers.get(context.target)
    if address is None:
        return Said("failed", f"the step names no server of {context.target}")
    wanted = _wanted(told, secrets)
    try:
        return bounded(lambda: _promoted(told, context, address, wanted), context.timeout_s)
    except Unanswered as error:
        return Said("unknown", f"{address}: {error}")


def _promoted(told: PostgresAct, context: Context, address: str, wanted: Doc) -> Said:
    import psycopg  # noqa: PLC0415 - an extra's

    try:
        with _open(address, wanted) as server:
            before = _state(server)
            others: dict[str, Other] = {
                site: _other(each, wanted) for site, each in told.servers.items() if site != context.target
            }
            if not before["standby"]:
                return _already(address, before, others, context)
            why = objection(context, others)
            if why is not None:
                return Said("needs consent", f"{address} was not promoted: {why}", {"others": others})
            server.execute("SELECT pg_promote(true, %s)", [max(1, int(context.timeout_s))])
            after = _state(server)
    except psycopg.Error as error:
        return Said("failed", f"{address}: {_first_line(error)}")
    if after["standby"]:
        return Said("failed", f"{address} is still a standby: it did not end its recovery in time")
    agreed = " (by consent)" if context.consented else ""
    return Said(
        "done", f"{address} is the primary{agreed}; it had replayed up to {before['wal']}",
        {"server": address, "before": before, "after": after, "others": others},
    )  # fmt: skip


def _already(address: str, state: Doc, others: Mapping[str, Other], context: Context) -> Said:
    """Nothing is left to do; but that two take writes is never passed over in silence."""
    result = {"server": address, "before": state, "others": dict(others)}
    writing = [site for site, each in others.items() if each == "writes"]
    if writing and not context.consented:
        return Said(
            "needs consent", f"{address} is a primary already, and so is the server of {', '.join(writing)}", result
        )
    return Said("done", f"{address} is the primary already", result)


def _wanted(told: PostgresAct, secrets: Secrets) -> Doc:
    wanted: Doc = {
        "user": told.user, "dbname": told.database, "sslmode": told.sslmode, "connect_timeout": _LOOK_S,
        "application_name": "drstack", "autocommit": True, "client_encoding": "utf8",
    }  # fmt: skip
    if told.password is not None:
        wanted["password"] = secrets.filled(told.password)
    if told.sslrootcert is not None:
        wanted["sslrootcert"] = told.sslrootcert
    return wanted


def _open(address: str, wanted: Mapping[str, Any]) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg  # noqa: PLC0415 - an extra's

    host, _, port = address.partition(":")
    return psycopg.connect(host=host, port=int(port or 5432), **wanted)


def _state(server: psycopg.Connection[tuple[Any, ...]]) -> Doc:
    row = server.execute(_STATE).fetchone()
    if row is None:
        raise StepFailed("PostgreSQL answered nothing about itself")
    standby, version, wal, replayed_at, system = row
    return {"standby": standby, "version": version, "wal": wal, "replayed_at": replayed_at, "system": system}


def _other(address: str, wanted: Mapping[str, Any]) -> Other:
    """Looked at twice: a server that only just starts, or ends, is not taken for one that is not there."""
    import psycopg  # noqa: PLC0415 - an extra's

    seen: Other = "silent"
    for again in (True, False):
        try:
            with _open(address, wanted) as server:
                return "standby" if _state(server)["standby"] else "writes"
        except psycopg.Error as error:
            seen = "refused" if _REFUSED in str(error) else "silent"
        if again:
            time.sleep(0.2)
    return seen


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
