"""A checkpoint, MLflow's database and its artefacts are at one step: lost together, restored together, checked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replicator.consistency.hooks import Functions
from replicator.consistency.mlflow import ARTIFACTS, Mlflow
from replicator.consistency.postgres import Postgres
from replicator.consistency.restore import restore_point
from replicator.errors import PointNotMade
from replicator.repository.restore import restore
from replicator.train.point import Points
from replicator.train.shipper import Shipper
from tests.replicator.consistency import postgres_server
from tests.replicator.train.rig import made, saved
from tests.replicator.versions.test_travels import newest

pytestmark = [pytest.mark.server, pytest.mark.slow]


def uri(server):
    return f"postgresql+psycopg2://postgres@127.0.0.1:{server.port}/mlflow"


class Registry:
    """MLflow's own client, in a process of its own."""

    def __init__(self, server, artifacts):
        script = Path(__file__).with_name("registry.py")
        self.process = subprocess.Popen(
            [sys.executable, script, uri(server), artifacts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ready(self):
        assert json.loads(self.process.stdout.readline()) == "ready"

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def test_checkpoint_database_and_artefacts_come_back_at_the_same_step(tmp_path):
    artifacts = tmp_path / "mlruns"
    url = made(tmp_path / "repo")
    with postgres_server.server() as there, postgres_server.server() as new:
        registry = Registry(there, artifacts)
        try:
            registry.ready()
            database = Postgres(there.environment, bin=str(there.bin))
            later = Functions("later", before=lambda: registry.ask(step=999))  # another user, once the point is fixed
            points = Points([Mlflow(database, artifacts), later], tmp_path / "spool", None)
            shipper = Shipper(url, workload="gpt", spool=tmp_path / "spool")
            for step in (10, 20):
                registry.ask(step=step)
                point = points.take(step)
                assert point.point.made, point.point.reason
                assert shipper.submit(saved(tmp_path / "out", step), step, point=point)
            assert shipper.wait(60) == ()
            shipper.close()
            assert there.sql("SELECT max(version) FROM model_versions") == "4"  # 10, 999, 20, 999

            there.stop("immediate")
            shutil.rmtree(artifacts)

            repository, accepted = newest(url)
            restore(repository, accepted, tmp_path / "out-again")
            restore_point(repository, accepted, tmp_path / "point")
            back = Postgres(new.environment, bin=str(new.bin))
            back.load(tmp_path / "point" / "mlflow")
            shutil.copytree(tmp_path / "point" / "mlflow" / ARTIFACTS, artifacts)
            facts = accepted.what.point.participants[0].facts
            assert facts["model gpt"].startswith("3 of run ")
            check = Mlflow(back, artifacts)
            check.quiesce()
            check.require_same(facts)
            check.require_artifacts(artifacts)
            check.release()
            assert registry.ask(uri=uri(new)) == {"version": "3", "step": "20", "weights": "weights of step 20"}
            assert accepted.what.step == 20
            assert sum(1 for path in artifacts.rglob("*") if path.is_file()) == 3  # none of what came later

            registry.process.stdin.flush()
            new.sql("UPDATE model_versions SET version = 7 WHERE version = 3")
            check.quiesce()
            with pytest.raises(PointNotMade, match="model gpt: 7"):
                check.require_same(facts)
            next(artifacts.rglob("weights.bin")).unlink()
            with pytest.raises(PointNotMade, match="missing"):
                check.require_artifacts(artifacts)
            check.release()
        finally:
            registry.close()
