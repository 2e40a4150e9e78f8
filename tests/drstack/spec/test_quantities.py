import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.spec.capacity import Capacity, parse_capacity
from drstack.spec.quantities import (
    LONGEST_S,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45m", 2700),
        ("2h", 7200),
        ("30s", 30),
        ("1d", 86400),
        ("250ms", 0.25),
        ("15ms", 0.015),
        ("1h30m", 5400),
        ("1m500ms", 60.5),
        ("0.1h", 360),
        ("0", 0),
        ("12", 12),
        (0, 0),
        (1.5, 1.5),
        (" 3s ", 3),
    ],
)
def test_reads_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "5 parsecs",
        "-3s",
        "1e3s",
        "1h30",
        "30m1h",
        "1h1h",
        "40000d",
        "9" * 500,
        "٣s",
        True,
        None,
        -1,
        [],
        1e300,
    ],
)
def test_refuses_what_is_no_duration(text):
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


def test_refuses_numbers_that_are_none():
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a duration such as"):
            parse_duration(number)


@given(st.floats(min_value=0, max_value=LONGEST_S))
def test_a_duration_written_reads_back_the_same(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, LONGEST_S))
def test_whole_seconds_are_written_short_and_read_back_the_same(seconds):
    text = format_duration(seconds)
    assert parse_duration(text) == seconds
    assert text[:-1].isdecimal()


def test_writes_durations_in_the_greatest_unit_that_fits():
    assert [format_duration(s) for s in (0, 0.25, 30, 2700, 5400, 7200, 86400)] == [
        "0s",
        "250ms",
        "30s",
        "45m",
        "90m",
        "2h",
        "1d",
    ]


@given(st.integers(0, 2**63 - 1))
def test_a_size_written_reads_back_the_same(size_bytes):
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(st.integers(1, 2**63 - 1))
def test_a_rate_written_reads_back_the_same(link_bps):
    assert parse_rate(format_rate(link_bps)) == link_bps


def test_reads_sizes_and_rates():
    assert parse_size("16MiB") == 16 * 2**20
    assert parse_size("1.5 GB") == 1_500_000_000
    assert parse_size(7) == 7
    assert parse_rate("10Gbit/s") == 10**10
    for text in ("10", "10B"):
        assert parse_size(text) == 10


@pytest.mark.parametrize("text", ["16mib", "1 2", "-1", "", None, True, 1.5, "9" * 30 + "TB"])
def test_refuses_what_is_no_size(text):
    with pytest.raises(ValueError, match="a size such as"):
        parse_size(text)


def test_refuses_a_link_without_bandwidth():
    for text in (0, "0Gbit/s", "10GB"):
        with pytest.raises(ValueError, match="a rate above 0"):
            parse_rate(text)


@pytest.mark.parametrize(
    ("text", "slots", "ready"),
    [
        ("20%", 5, 1),
        ("20%", 6, 2),
        ("1%", 5, 1),
        ("0%", 5, 0),
        ("100%", 5, 5),
        ("1.1%", 7000, 77),
        (2, 5, 2),
        (9, 5, 5),
    ],
)
def test_a_capacity_becomes_whole_slots(text, slots, ready):
    assert parse_capacity(text).of(slots) == ready


@given(st.one_of(st.integers(0, 1_000_000), st.integers(0, 10_000).map(lambda n: f"{n / 100}%")))
def test_a_capacity_written_reads_back_the_same(text):
    capacity = parse_capacity(text)
    again = str(capacity)
    assert parse_capacity(again if again.endswith("%") else int(again)) == capacity


@pytest.mark.parametrize("text", ["120%", "%", "-1%", -1, True, None, 0.2, "2", []])
def test_refuses_what_is_no_capacity(text):
    with pytest.raises(ValueError, match="a share such as"):
        parse_capacity(text)


def test_a_capacity_stands_for_itself():
    assert parse_capacity(Capacity(1, "slots")) == Capacity(1, "slots")
