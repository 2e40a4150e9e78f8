"""PostgreSQL at one point: what was committed when it was fixed, whatever happens afterwards."""

from __future__ import annotations

import os

import pytest

from replicator.consistency.point import take_point
from replicator.consistency.postgres import Postgres
from replicator.errors import PointNotMade
from tests.replicator.consistency import postgres_server

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def server():
    with postgres_server.server() as made:
        yield made


def test_the_dump_is_of_the_point_and_comes_back_whole_or_not_at_all(server, tmp_path):
    server.sql("CREATE TABLE rows (n int); INSERT INTO rows VALUES (1), (2); CREATE TABLE second (n int)")
    database = Postgres(server.environment, bin=str(server.bin))
    database.begin()
    server.sql("INSERT INTO rows VALUES (3); CREATE TABLE late (n int)")
    assert database.query("SELECT n FROM rows ORDER BY n") == [("1",), ("2",)]
    kept = database.keep(tmp_path)
    database.end()
    assert kept.facts["server"].startswith("1")
    assert "/" in kept.facts["wal"]
    server.sql("CREATE DATABASE other")
    other = Postgres({**server.environment, "PGDATABASE": "other"}, bin=str(server.bin))
    other.load(tmp_path)
    other.begin()
    assert other.query("SELECT count(*) FROM rows") == [("2",)]
    assert other.query("SELECT to_regclass('late') IS NULL") == [("t",)]
    other.end()
    server.sql("CREATE DATABASE half")
    half = Postgres({**server.environment, "PGDATABASE": "half"}, bin=str(server.bin))
    server.sql("CREATE TABLE second (n int)", "half")
    with pytest.raises(PointNotMade, match="pg_restore"):
        half.load(tmp_path)
    half.begin()
    assert half.query("SELECT to_regclass('rows') IS NULL") == [("t",)]
    half.end()
    assert server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drstack'") == "0"


def test_text_with_newlines_and_errors_of_the_server_are_told_apart(server):
    database = Postgres(server.environment, bin=str(server.bin))
    database.begin()
    assert database.query("SELECT E'a\\nb', 'ü'") == [("a\nb", "ü")]
    with pytest.raises(PointNotMade, match="does not exist"):
        database.query("SELECT * FROM nowhere")
    database.end()
    with pytest.raises(PointNotMade, match="no transaction"):
        database.query("SELECT 1")


def test_a_server_that_is_away_makes_no_point_and_says_no_password(server, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "PGPASSWORD", "s3cr3tpw")
    away = Postgres({**server.environment, "PGPORT": "1"}, bin=str(server.bin), timeout_s=20)
    found = take_point([away], tmp_path / "point")
    assert not found.point.made
    assert "refused" in found.point.reason
    assert "s3cr3tpw" not in found.point.model_dump_json()


def test_a_client_that_is_not_installed_is_named(tmp_path):
    found = take_point([Postgres({}, bin=str(tmp_path))], tmp_path / "point")
    assert "psql cannot start" in found.point.reason
