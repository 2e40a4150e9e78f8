"""The next command that an error names is one to type as it is."""

from __future__ import annotations

import pytest

from drstack.cli.naming import named
from drstack.errors import DrstackError, WitnessUnreachable


def test_what_is_known_is_filled_in_and_other_errors_keep_theirs():
    with pytest.raises(WitnessUnreachable) as raised, named("prod", "west"):
        raise WitnessUnreachable("away")
    assert "drstack promote prod --to west --without-witness --reason '…'" in (raised.value.hint or "")
    assert "ENV" in (WitnessUnreachable.hint or "")


def test_a_share_of_requests_is_no_target():
    with pytest.raises(DrstackError) as raised, named("prod", "west"):
        raise DrstackError("x", hint="drstack traffic ENV --to SITE=100")
    assert raised.value.hint == "drstack traffic prod --to SITE=100"


def test_an_error_without_a_hint_stays_so():
    with pytest.raises(DrstackError) as raised, named("prod", "west"):
        raise DrstackError("x")
    assert raised.value.hint is None
