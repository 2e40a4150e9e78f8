import pytest

from examples.serve.options import parse

NEEDED = ("--repository", "file:///r", "--model", "gpt", "--weights", "/w")


def test_a_replica_needs_a_repository_a_model_and_a_folder():
    given = parse(NEEDED)
    assert (given.repository, given.model, given.receipts, given.port) == ("file:///r", "gpt", ("stored", "decoded"), 0)
    assert parse([*NEEDED, "--receipts", "stored,decoded,proved"]).receipts == ("stored", "decoded", "proved")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--receipts", "seen", "is no receipt"), ("--port", "70000", "is no port"), ("--poll-s", "0", "seconds"),
     ("--at-once", "0", "above 0")],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_once(option, value, told, capsys):
    with pytest.raises(SystemExit) as ended:
        parse([*NEEDED, option, value])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
