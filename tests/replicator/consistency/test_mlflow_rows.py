"""What MLflow's rows name must be there; on SQLite, with the columns of its tables that are read."""

from __future__ import annotations

import sqlite3

import pytest

from replicator.consistency.mlflow import ARTIFACTS, Mlflow
from replicator.consistency.point import take_point
from replicator.consistency.sqlite import Sqlite
from replicator.errors import PointNotMade

SCHEMA = """
CREATE TABLE runs (run_uuid text, artifact_uri text, start_time integer, lifecycle_stage text);
CREATE TABLE metrics (key text);
CREATE TABLE logged_models (model_id text, artifact_location text);
CREATE TABLE model_versions (name text, version integer, run_id text, source text, storage_location text);
"""


@pytest.fixture
def registry(tmp_path):
    """One run with a registered version; `mlflow-artifacts:/` names the folder."""
    artifacts = tmp_path / "artifacts"
    (artifacts / "1" / "r1" / "artifacts" / "model").mkdir(parents=True)
    (artifacts / "1" / "r1" / "artifacts" / "model" / "weights").write_text("one")
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as made:
        made.executescript(SCHEMA)
        made.execute("INSERT INTO runs VALUES ('r1', 'mlflow-artifacts:/1/r1/artifacts', 5, 'active')")
        made.execute(
            "INSERT INTO model_versions VALUES ('gpt', 1, 'r1', 'mlflow-artifacts:/1/r1/artifacts/model', NULL)"
        )
    return Mlflow(Sqlite(path), artifacts, "mlflow-artifacts:/")


def write(registry, sql):
    with sqlite3.connect(registry.database.path) as made:
        made.execute(sql)


def test_rows_and_artefacts_are_kept_and_come_back(registry, tmp_path):
    (registry.artifacts / "9").mkdir()
    (registry.artifacts / "9" / "stray").write_text("no row names it")
    found = take_point([registry], tmp_path / "point")
    assert found.point.made, found.point.reason
    [kept] = found.point.participants
    assert kept.facts["model gpt"] == "1 of run r1"
    assert not (found.folder / "mlflow" / ARTIFACTS / "9").exists()
    back = Sqlite(tmp_path / "back.db")
    back.load(found.folder / "mlflow")
    again = Mlflow(back, found.folder / "mlflow" / ARTIFACTS, "mlflow-artifacts:/")
    again.quiesce()
    again.require_same(kept.facts)
    again.require_artifacts(again.artifacts)
    with pytest.raises(PointNotMade, match="is there already"):
        back.load(found.folder / "mlflow")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            "INSERT INTO model_versions VALUES ('gpt', 2, 'r1', 'mlflow-artifacts:/1/r2/artifacts/model', NULL)",
            "are missing",
        ),
        ("INSERT INTO model_versions VALUES ('gpt', 2, 'r1', 's3://elsewhere/model', NULL)", "not below"),
        ("INSERT INTO model_versions VALUES ('gpt', 2, 'r1', 'mlflow-artifacts:/../../etc', NULL)", "not below"),
        ("INSERT INTO model_versions VALUES ('gpt', 2, 'r1', 'models:/m-1', NULL)", "has no row"),
        ("DROP TABLE runs", "no such table"),
    ],
)
def test_what_cannot_be_vouched_for_makes_no_point(registry, tmp_path, change, why):
    write(registry, change)
    found = take_point([registry], tmp_path / "point")
    assert not found.point.made
    assert why in found.point.reason


def test_a_logged_model_is_followed_to_its_place(registry, tmp_path):
    (registry.artifacts / "1" / "models" / "m-1").mkdir(parents=True)
    (registry.artifacts / "1" / "models" / "m-1" / "weights").write_text("two")
    write(registry, "INSERT INTO logged_models VALUES ('m-1', 'mlflow-artifacts:/1/models/m-1')")
    write(registry, "INSERT INTO model_versions VALUES ('gpt', 2, 'r1', 'models:/m-1', NULL)")
    found = take_point([registry], tmp_path / "point")
    assert found.point.made, found.point.reason
    assert (found.folder / "mlflow" / ARTIFACTS / "1" / "models" / "m-1" / "weights").read_text() == "two"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("INSERT INTO runs VALUES ('r2', '', 9, 'active')", "runs: 2 here, 1 at the point"),
        ("DELETE FROM model_versions", "model_versions: 0 here, 1"),
        ("UPDATE model_versions SET version = 2", "model gpt: 2 of run r1 here, 1 of run r1 at the point"),
        ("UPDATE runs SET start_time = 6", "newest_run_ms: 6 here"),
    ],
)
def test_rows_that_are_not_those_of_the_point_are_named(registry, change, why):
    registry.quiesce()
    facts = registry.rows()
    registry.release()
    write(registry, change)
    registry.quiesce()
    with pytest.raises(PointNotMade, match=why):
        registry.require_same(facts)
    registry.release()
