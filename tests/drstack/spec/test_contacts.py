"""Contacts: enough to reach somebody, in an order, and nothing that YAML has turned into something else."""

from __future__ import annotations

import pytest

from tests.drstack.spec.declared import LOCAL, faults_of, parsed


def one(fields):
    return f"{LOCAL}contacts:\n  - {{{fields}}}\n"


def test_they_keep_their_order():
    lines = ('{name: B, phone: "+49 30 1"}', "{name: A, email: a@example.org, after: 15m, when: at night}")
    text = f"{LOCAL}contacts:\n" + "".join(f"  - {each}\n" for each in lines)
    first, second = parsed(text).contacts
    assert (first.name, first.phone, first.after) == ("B", "+49 30 1", None)
    assert (second.email, second.after, second.when) == ("a@example.org", 900.0, "at night")
    assert parsed().contacts == ()


@pytest.mark.parametrize(
    ("fields", "field", "remedy"),
    [
        ("name: Ada", "contacts.0", "add phone: or email:"),
        ("name: Ada, phone: +4930123456", "contacts.0.phone", "in quotes"),
        ('name: Ada, phone: "call me"', "contacts.0.phone", "in quotes"),
        ("name: Ada, email: ada", "contacts.0.email", "ops@example.org"),
        ('name: "Ada\\nBob", phone: "112"', "contacts.0.name", "a few words"),
        ('name: Ada, phone: "112", fax: "1"', "contacts.0.fax", "remove fax"),
    ],
)
def test_what_would_reach_nobody_is_refused(fields, field, remedy):
    faults = faults_of(one(fields))
    assert list(faults) == [field]
    assert remedy in faults[field].remedy
