"""Unit, image and alert rules: what they promise on their pages is in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from drstack.readiness.metrics import METRICS as READINESS
from replicator.service.config import ServiceConfig
from replicator.service.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "replicator"
RULES = {
    DEPLOY / "alerts.yaml": ("replicator_", METRICS),
    ROOT / "deploy" / "alerts" / "drstack.rules.yml": ("drstack_", READINESS),
}
UNITS = (
    DEPLOY / "replicator.service", ROOT / "deploy" / "readiness" / "drstack-serve@.service",
    ROOT / "deploy" / "automatic" / "drstack-observe@.service",
)  # fmt: skip
FUNCTIONS = {"increase", "time", "up", "job", "and", "or", "unless", "by", "sum", "max", "min", "rate"}


def rows() -> dict[str, tuple[str, set[str]]]:
    found = {}
    for line in (ROOT / "docs/operations/monitoring.md").read_text().splitlines():
        if line.startswith("| `replicator_"):
            name, kind, labels, meaning = (cell.strip() for cell in line.strip("|").split("|"))
            assert meaning
            found[name.strip("`")] = (kind, set(re.findall(r"`(\w+)`", labels)))
    return found


def test_every_metric_is_on_its_page_with_its_labels_and_no_other_is():
    assert rows() == {metric.name: (metric.kind, set(metric.labels)) for metric in METRICS}


@pytest.mark.parametrize("file", RULES, ids=lambda path: path.name)
def test_alert_rules_are_rules_and_name_only_metrics_that_there_are(file):
    prefix, there = RULES[file]
    document = yaml.safe_load(file.read_text())
    assert set(document) == {"groups"}
    declared = {metric.name: set(metric.labels) for metric in there}
    names = []
    for group in document["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations", "keep_firing_for"}
            names.append(rule["alert"])
            used = set(re.findall(r"[a-zA-Z_:][\w:]*", re.sub(r"\{[^}]*\}|\[\w+\]|\bon \([^)]*\)", "", rule["expr"])))
            metrics = {each for each in used if each.startswith(prefix)}
            assert metrics <= set(declared), rule["alert"]
            assert used - metrics <= FUNCTIONS | {"Inf"}, rule["alert"]
            assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
            assert {"summary", "description"} <= set(rule["annotations"])
            for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
                assert label == "instance" or all(label in declared[metric] for metric in metrics), rule["alert"]
            assert rule["expr"].count("(") == rule["expr"].count(")")
    assert len(names) == len(set(names))


def unit() -> str:
    return (DEPLOY / "replicator.service").read_text()


@pytest.mark.parametrize("file", RULES, ids=lambda path: path.name)
def test_prometheus_takes_the_rules_where_its_tool_is_here(file):
    """Elsewhere the test above reads them."""
    program = shutil.which("promtool")
    if program is None:
        assert yaml.safe_load(file.read_text())["groups"]
        return
    checks = [["check", "rules", str(file)]]
    checks += [["test", "rules", str(tests)] for tests in Path(__file__).parent.glob(f"{file.stem}.test.yml")]
    for check in checks:
        done = subprocess.run([program, *check], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", UNITS, ids=lambda path: path.name)
def test_the_unit_is_one_that_systemd_takes(tmp_path, file):
    program = shutil.which("systemd-analyze")
    text = re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", file.read_text())
    if program is None:
        lines = [line for line in text.splitlines() if line and line[0] not in "#["]
        assert all(re.fullmatch(r"[A-Z]\w+=.*", line) for line in lines)
        return
    name = file.name.replace("@.", "@here.")
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program, "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert name not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_the_unit_waits_longer_than_the_service_drains():
    waits = int(re.search(r"TimeoutStopSec=(\d+)", unit())[1])
    assert waits > ServiceConfig.model_fields["drain_s"].default + 5


@pytest.mark.parametrize("setting", ["NoNewPrivileges=yes", "ProtectSystem=strict", "User=", "MemoryMax="])
@pytest.mark.parametrize("file", UNITS, ids=lambda path: path.name)
def test_the_unit_gives_no_more_than_the_service_needs(file, setting):
    assert re.search(rf"^{re.escape(setting)}", file.read_text(), re.MULTILINE)


def test_the_image_has_a_base_that_the_builder_pins_and_runs_as_nobody_special():
    lines = [line.split() for line in (DEPLOY / "Dockerfile").read_text().splitlines() if re.match(r"[A-Z]", line)]
    told = [line[0] for line in lines]
    assert [line[1] for line in lines if line[0] == "FROM"] == ["${BASE}", "${BASE}"]
    assert ["ARG", "BASE"] in lines, "a default base would not be pinned"
    user = [line[1] for line in lines if line[0] == "USER"][-1]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert told.index("USER") < told.index("ENTRYPOINT")
    assert "VOLUME" not in told
    assert "ADD" not in told
    for line in lines:
        if line[0] == "COPY" and not line[1].startswith("--from"):
            for source in line[1:-1]:
                assert (ROOT / source).exists(), source


def test_the_mark_is_set_on_the_slice_that_the_unit_runs_in():
    rules = (DEPLOY / "dscp.nft").read_text()
    named = re.search(r"^Slice=(\S+)$", unit(), re.MULTILINE)[1]
    marked = re.findall(r'socket cgroupv2 level 1 "(\S+)" meta nfproto (ipv[46]) (ip6?) dscp set (\d+)', rules)
    assert [each[1:] for each in marked] == [("ipv4", "ip", "1"), ("ipv6", "ip6", "1")]
    assert {each[0] for each in marked} == {named}
    assert rules.count("{") == rules.count("}")
