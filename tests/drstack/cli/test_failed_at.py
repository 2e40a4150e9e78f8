"""The time of a failure as it is typed: what is understood, and what is refused with which words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from drstack.cli.failed_at import moment
from drstack.cli.main import make_app

NOW = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T03:12:00Z", "2026-11-22T04:12:00+01:00", "2026-11-22 03:12Z", "20261122T031200Z", "{at}", "{at}.0"],
)
def test_a_time_is_read_with_its_zone_or_as_unix_seconds(text):
    at = datetime(2026, 11, 22, 3, 12, 0, tzinfo=UTC).timestamp()
    assert moment(text.format(at=int(at)), now=NOW) == at


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-22T03:12:00", "has no zone; expected a time with its zone such as 2026-11-22T03:12:00Z"),
        ("yesterday", "'yesterday' is no time; expected a time with its zone"),
        ("nan", "nan is no time"),
        ("inf", "inf is no time"),
        ("0", "0 is no time"),
        ("-5", "-5 is no time"),
        ("1e300", "1e300 is no time"),
        ("2026-11-22T04:12:00Z", "2026-11-22T04:12:00Z, which is in the future: it is 2026-11-22T04:00:00Z now"),
        ("1763780400", "2025-11-22T03:00:00Z, which is more than 30 days ago"),
        ("12", "1970-01-01T00:00:12Z, which is more than 30 days ago"),
    ],
)
def test_what_is_no_time_of_a_failure_is_refused_with_what_is_expected(text, words):
    with pytest.raises(ValueError, match=r"time|zone|future|ago") as raised:
        moment(text, now=NOW)
    assert words in str(raised.value)


def test_a_clock_that_is_a_little_ahead_counts_as_now():
    assert moment(str(NOW + 3), now=NOW) == NOW


@pytest.mark.parametrize("text", ["soon", "2999-01-01T00:00:00Z"])
def test_promote_refuses_it_as_wrong_usage_before_anything_is_read(text):
    done = CliRunner().invoke(make_app(["promote"]), ["promote", "e", "--to", "west", "--failed-at", text])
    assert done.exit_code == 2
    assert "--failed-at" in done.output
