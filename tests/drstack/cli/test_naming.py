"""The next command that an error names is one to type as it is, whatever verb it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from drstack.cli.main import VERBS, make_app
from drstack.cli.naming import named, naming
from drstack.errors import DrstackError, WitnessUnreachable
from drstack.naming import in_place
from tests.drstack.cli.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.mark.parametrize(("text", "named_so"), [
    ("drstack up ENV --site SITE", "drstack up prod --site east"),
    ("drstack promote ENV --to SITE", "drstack promote prod --to SITE"),
    ("set $ENV, MY_ENV or ENV=x in the ENVIRONMENT", "set $ENV, MY_ENV or ENV=x in the ENVIRONMENT"),
    ("drstack status ENV.", "drstack status prod."),
])  # fmt: skip
def test_only_names_that_are_known_are_filled_in_and_nothing_that_looks_alike(text, named_so):
    assert in_place(text, "prod", site="east") == named_so


def test_a_name_with_signs_of_a_pattern_is_taken_as_it_is():
    assert in_place("drstack up ENV --site SITE", r"a\1b", site=r"\g<0>") == r"drstack up a\1b --site \g<0>"


def test_every_verb_is_called_by_what_names_its_errors():
    every = list(leaves(get_command(make_app())))
    assert len(every) > len(VERBS)
    assert [" ".join(path) for path, command in every if not by_naming(command.callback)] == []


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, each in command.commands.items():
        if (*path, name) != ("checkpoints",):  # the replicator's own application: it knows no environment
            yield from leaves(each, (*path, name))


def by_naming(made: Any) -> bool:
    while made is not None and getattr(made, "__code__", None) is not naming(lambda: None).__code__:
        made = getattr(made, "__wrapped__", None)
    return made is not None


@pytest.mark.parametrize(
    "verb", [["pause", "prod", "--reason", "r"], ["fence", "prod", "east"], ["witness", "repair", "prod"]]
)
def test_verbs_and_those_below_them_name_what_was_typed(monkeypatch, verb):
    def away(*_: object, **__: object):
        raise WitnessUnreachable("away")

    typed = Typed(monkeypatch, away)
    monkeypatch.setattr("drstack.assembly.load", away)
    said = typed(*verb)
    assert isinstance(said.exception, WitnessUnreachable), said.output
    assert "drstack promote prod --to SITE" in (said.exception.hint or "")
