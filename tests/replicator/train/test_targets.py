"""What a training process says of its repositories as it opens them."""

from __future__ import annotations

from replicator.train.targets import open_repositories, say_if_plain
from tests.replicator.train.rig import made


def test_of_each_plain_repository_it_is_said_once(tmp_path, caplog):
    urls = [made(tmp_path / "100% mine"), made(tmp_path / "other")]
    for repository in [*open_repositories(urls), *open_repositories(urls)]:
        say_if_plain(repository)
    told = [record.getMessage() for record in caplog.records if "NOT encrypted" in record.getMessage()]
    assert told == [f"{url} is NOT encrypted and NOT signed (crypto: none)" for url in urls]
