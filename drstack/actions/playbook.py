"""Runs a playbook by ansible-runner: `python -m drstack.actions.playbook`, told what to run as JSON on stdin.

A process of its own, so that it ends with its time, with all that Ansible began. What the runner keeps lies in a folder
that is removed. Extra variables, which may be secret, go through a file that this user alone may read: as arguments of
ansible-playbook everybody would see them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import ansible_runner

COUNTED = ("ok", "changed", "failures", "dark", "skipped")


def main(told: dict[str, Any]) -> int:
    folder = Path(told["folder"])
    inventory = told["inventory"]
    with tempfile.TemporaryDirectory(prefix="drstack-playbook-") as kept:
        variables = Path(kept) / "env" / "extravars"
        variables.parent.mkdir()
        variables.write_text(json.dumps(told["vars"]))
        beside = Path(sys.executable).parent
        os.environ["PATH"] = f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        runner: Any = ansible_runner  # it has no types
        done = runner.run(
            private_data_dir=kept, project_dir=str(folder), playbook=str(folder / told["playbook"]),
            inventory=str(folder / inventory if inventory else _this_machine(kept)), limit=told["limit"],
            tags=",".join(told["tags"]) or None,
        )  # fmt: skip
        stats: dict[str, dict[str, int]] = done.stats or {}
        print(", ".join(f"{name} {sum(stats.get(name, {}).values())}" for name in COUNTED), flush=True)  # noqa: T201
        return 0 if done.status == "successful" else 2


def _this_machine(kept: str) -> Path:
    """An inventory of it alone, for playbooks that bring none."""
    made = Path(kept) / "inventory" / "hosts"
    made.parent.mkdir()
    made.write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    return made


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
