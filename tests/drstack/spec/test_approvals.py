"""Whose word an operation needs: what holds, and what is refused with a remedy."""

import pytest

from tests.drstack.spec.declared import LOCAL, faults_of, parsed

KEYS = LOCAL + "replication: {encrypt_to: [recovery, escrow]}\n"


def with_approvals(told: str, text: str = KEYS) -> str:
    return f"{text}approvals: {told}\n"


def test_nobody_is_asked_by_default():
    assert parsed().approvals.declared() == {}
    assert parsed().approvals.people() == ()


def test_people_are_named_once_each_and_the_time_has_a_default():
    told = parsed(with_approvals("{promote: {of: [alice, bob], at_least: 2, break_glass: [carol]}}")).approvals
    quorum = told.declared()["promote"]
    assert (quorum.of, quorum.at_least, quorum.expires, quorum.break_glass) == (("alice", "bob"), 2, 900.0, ("carol",))
    assert told.people() == ("alice", "bob", "carol")


def test_without_keys_a_quorum_is_refused_with_the_remedy():
    fault = faults_of(with_approvals("{promote: {of: [alice, bob], at_least: 2}}", LOCAL))["approvals"]
    assert "without keys" in fault.got
    assert "encrypt_to: [recovery, escrow]" in fault.remedy


@pytest.mark.parametrize(
    ("told", "field", "expected"),
    [
        ("{promote: {of: [alice, bob], at_least: 3}}", "approvals.promote.at_least", "at most 2"),
        ("{promote: {of: [alice, bob], at_least: 0}}", "approvals.promote.at_least", "at least 1"),
        ("{promote: {of: [], at_least: 1}}", "approvals.promote.of", "at least one"),
        ("{promote: {of: [alice, alice], at_least: 1}}", "approvals.promote.of", "each person once"),
        ("{promote: {of: [Alice], at_least: 1}}", "approvals.promote.of.0", "lower-case"),
        ("{promote: {of: [alice], at_least: 1, expires: 2d}}", "approvals.promote.expires", "from 1s to 1d"),
        ("{promote: {of: [alice], at_least: 1, expires: 0s}}", "approvals.promote.expires", "from 1s to 1d"),
        (
            "{fence: {of: [alice], at_least: 1, break_glass: [alice]}}", "approvals.fence.break_glass.0",
            "somebody else in of",
        ),
        ("{promot: {of: [alice], at_least: 1}}", "approvals.promot", "one of promote, switchover, fence"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(told, field, expected):
    fault = faults_of(with_approvals(told))[field]
    assert expected in fault.expected


def test_an_automatic_promotion_cannot_wait_for_people():
    text = with_approvals("{promote: {of: [alice], at_least: 1}}") + "promotion: {automatic: true, observers: [a, b]}\n"
    assert "approvals.promote asks people" in faults_of(text + "leases: {ttl: 60s}\n")["promotion.automatic"].got
