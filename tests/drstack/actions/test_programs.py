"""Programs on a leash: their output, their time, what they leave behind; functions and playbooks among them."""

from __future__ import annotations

import os
import time

import pytest

from tests.drstack.actions.acted import act
from tests.drstack.recovery.own import alive, lines, until


def test_its_end_within_its_time_takes_all_that_it_began_along(tmp_path):
    script = "setsid sleep 611 & timeout 612 sleep 612 & echo $$ > pids; pgrep -P $$ >> pids; sleep 613"
    said = act(tmp_path, {"shell": script}, timeout_s=1.0)
    assert said.word == "unknown"
    pids = [int(line) for line in lines(tmp_path / "pids")]
    assert len(pids) >= 3
    until(lambda: not any(alive(pid) for pid in pids))


def test_one_that_does_not_heed_the_signal_is_ended_all_the_same(tmp_path):
    began = time.monotonic()
    said = act(tmp_path, {"shell": "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"}, timeout_s=1.0)
    assert said.word == "unknown"
    assert not alive(int(lines(tmp_path / "pid")[0]))
    assert time.monotonic() - began < 60


def test_what_it_leaves_running_when_it_ends_well_goes_on(tmp_path):
    said = act(tmp_path, {"shell": "sleep 60 >/dev/null 2>&1 & echo $! > pid"})
    pid = int(lines(tmp_path / "pid")[0])
    assert said.word == "done"
    assert alive(pid)
    os.kill(pid, 9)


def test_an_output_without_end_is_kept_to_its_last_part_and_a_secret_at_the_edge_is_not_shown(tmp_path, monkeypatch):
    secret = "".join(f"<{n}>" for n in range(700))
    monkeypatch.setenv("LONG_SECRET", secret)
    script = 'i=0; while [ $i -lt 60 ]; do printf "%s" "$X"; i=$((i+1)); done; printf "%020000d$X" 0; exit 1'
    said = act(tmp_path, {"shell": script, "env": {"X": "${env:LONG_SECRET}"}})
    assert said.word == "failed"
    assert not any(f"<{n}><{n + 1}>" in str(said) for n in range(699))
    assert "***" in str(said)
    assert len(said.result["output"]) <= 2001


def test_an_output_that_is_no_text_harms_nothing(tmp_path):
    said = act(tmp_path, {"shell": r"printf '\377\376 \033[31mred\033[0m \000 end'"})
    assert said.word == "done"
    assert "\x1b" not in said.detail
    assert said.detail.endswith("end")


def test_a_function_is_called_with_its_arguments_and_the_operations_environment(tmp_path):
    (tmp_path / "acme_dr.py").write_text(
        "import os\n"
        "def scale(site, nodes):\n"
        "    return f\"{site} {nodes} {os.environ['DRSTACK_TOKEN']}\"\n"
        "def broken():\n"
        "    raise ValueError('no such cluster')\n"
    )
    said = act(tmp_path, {"python": "acme_dr:scale", "args": {"site": "{target}", "nodes": 4}})
    assert (said.word, said.detail) == ("done", "west 4 e/1-1/x/0123")
    assert "ValueError: no such cluster" in act(tmp_path, {"python": "acme_dr:broken"}).detail
    assert "no_such_module" in act(tmp_path, {"python": "no_such_module:f"}).detail
    assert act(tmp_path, {"python": "acme_dr:absent"}).word == "failed"
    assert "no entry point nobody" in act(tmp_path, {"python": "nobody"}).detail


def test_a_function_of_an_installed_package_is_found_by_its_entry_point(tmp_path):
    told = tmp_path / "acme-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[drstack.steps]\nscale = acme_entry:go\n")
    (tmp_path / "acme_entry.py").write_text("def go():\n    return 'gone'\n")
    assert act(tmp_path, {"python": "scale"}).detail == "gone"


@pytest.mark.slow
def test_a_playbook_is_run_with_variables_that_no_argument_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "pl4yb00k-secret")
    (tmp_path / "dr.yml").write_text(
        "- hosts: all\n"
        "  connection: local\n"
        "  gather_facts: false\n"
        "  tasks:\n"
        "    - ansible.builtin.shell: >-\n"
        "        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' > arguments; echo \"{{ site }} {{ password }}\" > told\n"
        "      args: {chdir: '{{ playbook_dir }}'}\n"
    )
    said = act(
        tmp_path,
        {"ansible": {"playbook": "dr.yml", "vars": {"site": "{target}", "password": "${env:DB_PASSWORD}"}}},
        timeout_s=240.0,
    )
    assert said.word == "done", said
    assert said.detail == "ok 1, changed 1, failures 0, dark 0, skipped 0"
    assert lines(tmp_path / "told") == ["west pl4yb00k-secret"]
    seen = [line for line in lines(tmp_path / "arguments") if "ansible-playbook" in line]
    assert seen
    ours = "\n".join(seen).replace('echo "west pl4yb00k-secret"', "").replace('echo \\"west pl4yb00k-secret\\"', "")
    assert "pl4yb00k-secret" not in ours.partition("arguments;")[0]
    assert "pl4yb00k" not in str(said)


@pytest.mark.slow
def test_a_playbook_that_fails_or_takes_too_long_is_told_so(tmp_path):
    play = "- hosts: all\n  connection: local\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: "
    (tmp_path / "bad.yml").write_text(play + "echo sorry; exit 7\n")
    (tmp_path / "slow.yml").write_text(play + "echo $$ > {{ playbook_dir }}/pid; sleep 614\n")
    said = act(tmp_path, {"ansible": {"playbook": "bad.yml"}}, timeout_s=240.0)
    assert said.word == "failed"
    assert "failures 1" in said.detail
    said = act(tmp_path, {"ansible": {"playbook": "slow.yml"}}, timeout_s=25.0)
    assert said.word == "unknown"
    pids = [int(line) for line in lines(tmp_path / "pid")]
    assert pids, said
    until(lambda: not any(alive(pid) for pid in pids))
