"""Snapshots of volumes by command: what is run, and what the commit then holds. The commands are stand-ins on the PATH."""

from __future__ import annotations

import json

import pytest

from replicator.consistency.point import take_point
from replicator.consistency.volumes import Btrfs, CsiGroup, Lvm, Volumes, Zfs

LABEL = "drstack-ab12"
KUBECTL = """#!/bin/sh
echo "$0 $@" >> {log}
case "$1" in
create) cat > {wanted} ;;
get) n=$(cat {count} 2>/dev/null || echo 0); echo $((n+1)) > {count}; [ "$n" -lt 2 ] && echo '{{}}' || cat {answer} ;;
esac
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Puts programs on the PATH that log how they are called; `fails` names one that exits 3."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name, text=None):
        body = text or f'#!/bin/sh\necho "{name} $@" >> {tmp_path / "log"}\n'
        (folder / name).write_text(body)
        (folder / name).chmod(0o755)

    return make


def taken(tmp_path, driver):
    found = take_point([Volumes("vol", driver, label=lambda: LABEL)], tmp_path / "point")
    log = tmp_path / "log"
    return found, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("program", "driver", "ran", "handles"),
    [
        ("zfs", Zfs(("tank/a", "tank/b")), ["zfs snapshot tank/a@drstack-ab12 tank/b@drstack-ab12"],
         {"tank/a": "tank/a@drstack-ab12", "tank/b": "tank/b@drstack-ab12"}),
        ("btrfs", Btrfs("/srv/pg", "/srv/snapshots/"), ["btrfs subvolume snapshot -r /srv/pg /srv/snapshots/drstack-ab12"],
         {"/srv/pg": "/srv/snapshots/drstack-ab12"}),
        ("lvcreate", Lvm(("vg/pg", "vg/wal"), "10%ORIGIN"),
         ["lvcreate --snapshot --extents 10%ORIGIN --name pg-drstack-ab12 vg/pg",
          "lvcreate --snapshot --extents 10%ORIGIN --name wal-drstack-ab12 vg/wal"],
         {"vg/pg": "vg/pg-drstack-ab12", "vg/wal": "vg/wal-drstack-ab12"}),
    ],
)  # fmt: skip
def test_what_is_run_and_what_the_commit_names(tmp_path, commands, program, driver, ran, handles):
    commands(program)
    found, log = taken(tmp_path, driver)
    assert log == ran
    assert found.point.participants[0].facts == handles
    assert json.loads((found.folder / "vol" / "snapshots.json").read_text())["snapshots"] == handles


def test_a_command_that_fails_makes_no_point(tmp_path, commands):
    commands("zfs", "#!/bin/sh\necho 'cannot create snapshot: out of space' >&2\nexit 1\n")
    found, _ = taken(tmp_path, Zfs(("tank/a",)))
    assert "out of space" in found.point.reason


def kubectl(tmp_path, commands, status):
    names = {name: tmp_path / name for name in ("log", "wanted", "count", "answer")}
    names["answer"].write_text(json.dumps({"status": status}))
    commands("kubectl", KUBECTL.format(**names))


def test_a_csi_group_is_waited_for_until_it_is_cut(tmp_path, commands):
    status = {
        "creationTime": "2026-01-01T00:00:00Z",
        "boundVolumeGroupSnapshotContentName": "content-1",
        "readyToUse": False,
    }
    kubectl(tmp_path, commands, status)
    found, log = taken(tmp_path, CsiGroup("ml", "csi-class", (("app", "mlflow"),)))
    assert found.point.participants[0].facts == {
        "group": "ml/drstack-ab12", "content": "content-1", "at": "2026-01-01T00:00:00Z"
    }  # fmt: skip
    wanted = json.loads((tmp_path / "wanted").read_text())
    assert wanted["kind"] == "VolumeGroupSnapshot"
    assert wanted["spec"]["source"] == {"selector": {"matchLabels": {"app": "mlflow"}}}
    assert sum("get volumegroupsnapshots.groupsnapshot.storage.k8s.io drstack-ab12" in line for line in log) == 3


@pytest.mark.slow
def test_a_csi_group_that_fails_or_is_never_cut_makes_no_point(tmp_path, commands):
    kubectl(tmp_path, commands, {"error": {"message": "no driver"}})
    assert "no driver" in taken(tmp_path, CsiGroup("ml", "c", (("a", "b"),)))[0].point.reason
    kubectl(tmp_path, commands, {})
    late, _ = taken(tmp_path, CsiGroup("ml", "c", (("a", "b"),), timeout_s=0.5))
    assert "was not cut" in late.point.reason
