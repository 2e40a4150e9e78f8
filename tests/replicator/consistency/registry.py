"""A user of MLflow in a process of its own: python registry.py URI ARTIFACTS; one JSON command a line, one answer a line."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet")
logging.disable(logging.WARNING)

from mlflow.tracking import MlflowClient  # noqa: E402

MODEL = "gpt"


def client(uri: str) -> MlflowClient:
    return MlflowClient(uri, registry_uri=uri)


def register(mlflow: MlflowClient, experiment: str, step: int) -> dict[str, str]:
    """A run of the step with a metric, its weights as artefact, and a registered version of them."""
    run = mlflow.create_run(experiment, tags={"step": str(step)}).info
    mlflow.log_metric(run.run_id, "loss", 1.0 / step, step=step)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "weights.bin"
        path.write_bytes(f"weights of step {step}".encode())
        mlflow.log_artifact(run.run_id, str(path), "model")
    version = mlflow.create_model_version(MODEL, f"{run.artifact_uri}/model", run.run_id, tags={"step": str(step)})
    return {"run": run.run_id, "version": str(version.version)}


def newest(uri: str) -> dict[str, str]:
    """Of the newest version: number, step, and its weights as MLflow brings them."""
    mlflow = client(uri)
    found = max(mlflow.search_model_versions(f"name='{MODEL}'"), key=lambda each: int(each.version))
    with tempfile.TemporaryDirectory() as scratch:
        folder = mlflow.download_artifacts(found.run_id, "model", scratch)
        weights = (Path(folder) / "weights.bin").read_bytes().decode()
    return {"version": str(found.version), "step": found.tags["step"], "weights": weights}


def main() -> None:
    uri, artifacts = sys.argv[1:3]
    mlflow = client(uri)
    experiment = mlflow.create_experiment("gpt", artifact_location=Path(artifacts).as_uri())
    mlflow.create_registered_model(MODEL)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer = register(mlflow, experiment, command["step"]) if "step" in command else newest(command["uri"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
