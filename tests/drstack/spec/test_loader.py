import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drstack.errors import EnvironmentUnknown
from drstack.spec import (
    Environment,
    EnvironmentInvalid,
    LocalJob,
    LocalSite,
    find_environment,
    load_environment,
    parse_environment,
)
from tests.drstack.spec.declared import LOCAL, PROJECT, faults_of, parsed, with_line

PROD = """\
environment: gpt-prod
strategy: active-passive
witness: s3://acme-witness?region=eu-central-1
state: s3://acme-pulumi?region=eu-central-1
sites:
  east: {platform: aws, region: us-east-1, adopt: {cluster: train-1, bucket: acme-ckpt}}
  west: {platform: gcp, region: us-west4, capacity: 20%}
workloads:
  gpt:  {class: training, job: {jobset: ml/gpt}, checkpoints: {path: /ckpt/gpt, every: 45m}, rpo: 2h}
  chat: {class: inference, job: {deployment: ml/chat}, serves: gpt}
replication:
  {near: {east: west, west: east}, acknowledge: {gpt: near}, keep: 20, encrypt_to: [recovery@acme, escrow@acme]}
"""
FAULTY = """\
environment: Local_X
strategy: activ-passive
witness: witness
sites:
  east: {platform: locl}
  west:
    platform: local
    slotz: 4
    capacity: 120%
workloads:
  gpt:
    class: training
    job: {train: examples.train}
    checkpoints: {path: x, every: 5 parsecs}
  chat:
    class: inference
    job: {train: examples.serve}
    serves: gtp
replication:
  near: {east: east}
  encrypt_to: [one@acme]
"""


def test_reads_the_environment_for_this_machine():
    environment = load_environment(find_environment("local", PROJECT), name="local")
    east, job = environment.sites["east"], environment.workloads["gpt"].job
    assert isinstance(east, LocalSite)
    assert (east.folder, east.slots) == ("sites/local/east", 5)
    assert isinstance(job, LocalJob)
    assert (job.train, job.ranks) == ("examples.train", 2)
    assert environment.primary == "east"


def test_reads_an_environment_across_clouds():
    environment = parsed(PROD)
    assert environment.sites["east"].platform == "aws"
    assert environment.workloads["gpt"].rpo == 7200
    assert environment.replication.encrypt_to == ("recovery@acme", "escrow@acme")


@pytest.mark.parametrize("text", [LOCAL, PROD])
def test_an_environment_written_as_json_reads_back_the_same(text):
    environment = parsed(text)
    assert Environment.model_validate_json(environment.model_dump_json(by_alias=True)) == environment


def test_tells_all_faults_at_once_with_their_lines():
    faults = faults_of(FAULTY)
    assert {field: fault.line for field, fault in faults.items()} == {
        "environment": 1,
        "state": 1,
        "strategy": 2,
        "witness": 3,
        "sites.east.platform": 5,
        "sites.west.slotz": 8,
        "sites.west.capacity": 9,
        "workloads.gpt.checkpoints.every": 14,
        "workloads.chat.serves": 18,
        "replication.near.east": 20,
        "replication.encrypt_to": 21,
    }


@pytest.mark.parametrize(
    ("field", "rendered"),
    [
        (
            "sites.east.platform",
            "demo.yaml:5: sites.east.platform: got 'locl', expected one of local, aws, gcp, kubernetes, slurm; write",
        ),
        ("sites.east.platform", "slurm; write platform: local"),
        ("strategy", "write strategy: active-passive"),
        ("witness", "write file:witness"),
        ("environment", "write local-x"),
        ("state", "got nothing, expected backend of Pulumi's state; add state: s3://acme-pulumi"),
        ("sites.west.slotz", "did you mean slots?"),
        ("workloads.chat.serves", "got 'gtp', expected one of gpt; write serves: gpt"),
        ("workloads.gpt.checkpoints.every", "got '5 parsecs', expected a duration such as 30s"),
    ],
)
def test_a_fault_says_what_to_write(field, rendered):
    assert rendered in str(faults_of(FAULTY)[field])


def test_the_message_holds_every_fault_and_the_next_command():
    with pytest.raises(EnvironmentInvalid) as raised:
        parsed(FAULTY)
    assert str(raised.value).count("\n") == len(raised.value.faults) == 11
    assert raised.value.hint == "Correct demo.yaml, then run: drstack check demo"
    assert raised.value.exit_code == 21


@pytest.mark.parametrize("field", ["witness", "state"])
def test_a_credential_in_an_address_is_a_fault_that_does_not_show_it(field):
    with pytest.raises(EnvironmentInvalid) as raised:
        parsed(f"{field}: s3://AKIAX:HUNTER2@acme?secret_key=HUNTER2")
    assert "HUNTER2" not in f"{raised.value} {raised.value.faults}"
    assert "which come from the environment" in str(raised.value)


def test_a_name_that_stands_twice_is_a_fault_at_the_second():
    fault = faults_of(LOCAL + "state: file:other\n")["state"]
    assert fault.line == 13
    assert "the one in line 4" in fault.remedy


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("", "", 1),
        ("a: [1\nb: 2", "", 2),
        ("- 1", "", 1),
        ("a: &a [*a]", "a", 1),
        ("[" * 100, "", 1),
        ("a: b\n---\nc: d", "", 2),
        ("a: !!python/object:os.system x", "a", 1),
        ("a: !!int b", "a", 1),
        ('a: "\\ud800"', "a", 1),
        ('a: "\\UFFFFFFFF"', "", 1),
        (f"%YAML {'9' * 5000}.1\n---\na", "", 1),
        ("environment: e\n1: 2", "", 2),
        ("environment: e\n[a]: 2", "", 2),
        ("base: &b {a: 1}\nsites: {east: {<<: *b}}", "sites.east.<<", 2),
        ("sites: [1]", "sites", 1),
        ("sites:\n  east:\n    platform: {a: b}", "sites.east.platform", 3),
        ("sites: {'[key]': {platform: local}}", "sites.[key]", 1),
        ("sites: {e: {platform: local, slots: 1e400}}", "sites.e.slots", 1),
        ("workloads: {a: {class: [x]}}", "workloads.a.class", 1),
        ("witness: 'http://[x'", "witness", 1),
    ],
)
def test_what_is_no_environment_is_a_fault_at_its_line(text, field, line):
    with pytest.raises(EnvironmentInvalid) as raised:
        parsed(text)
    assert (field, line) in {(fault.field, fault.line) for fault in raised.value.faults}


def test_text_that_older_yaml_reads_otherwise_stays_text():
    environment = parsed(LOCAL.replace("east", "no").replace("ranks: 2", "args: [12:30, 2026-01-01, 010, on]"))
    job = environment.workloads["gpt"].job
    assert "no" in environment.sites
    assert isinstance(job, LocalJob)
    assert job.args == ("12:30", "2026-01-01", "010", "on")


def test_an_anchor_stands_for_its_value():
    text = LOCAL.replace("east: {platform: local}", "east: &site {platform: local, slots: 3}")
    west = parsed(text.replace("west: {platform: local}", "west: *site")).sites["west"]
    assert isinstance(west, LocalSite)
    assert (west.slots, west.folder) == (3, "sites/demo/west")


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(st.binary(max_size=200))
def test_random_bytes_are_an_environment_or_invalid(junk):
    _judged(junk)


@UNHURRIED
@given(st.data())
def test_a_mangled_environment_is_an_environment_or_invalid(data):
    text = LOCAL
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 12))
        junk = data.draw(st.text("{}[]:,&*!|>%@`\"'#-?~<=.\\\t\n 0e\x85é", max_size=6))
        text = text[:at] + junk + text[at + gone :]
    _judged(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aé{:0\n", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["east", "gpt", "platform", "class", "job", "train", "jobset", "path", "near", "[key]", "local"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(list(Environment.model_fields)), VALUES))
def test_any_value_in_any_field_is_an_environment_or_invalid(fields):
    import yaml

    _judged(yaml.safe_dump(fields, allow_unicode=True))


def _judged(text):
    """Any other error than EnvironmentInvalid goes through."""
    with contextlib.suppress(EnvironmentInvalid):
        parse_environment(text, Path("junk.yaml"))
        return
    with pytest.raises(EnvironmentInvalid) as raised:
        parse_environment(text, Path("junk.yaml"))
    assert raised.value.faults
    assert all(fault.line > 0 and fault.expected for fault in raised.value.faults)
    str(raised.value).encode()


def test_a_file_that_cannot_be_read_is_invalid(tmp_path):
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(EnvironmentInvalid, match="no readable file"):
            load_environment(path)


def test_a_file_that_declares_another_name_than_asked_for_is_refused(tmp_path):
    path = tmp_path / "prod.yaml"
    path.write_text(LOCAL)
    assert load_environment(path).environment == "demo"
    with pytest.raises(EnvironmentInvalid, match="write environment: prod"):
        load_environment(path, name="prod")


def test_an_unknown_environment_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(EnvironmentUnknown) as raised:
        find_environment("prod", tmp_path)
    assert raised.value.hint == "drstack init writes one."
    folder = tmp_path / "stacks/environments"
    folder.mkdir(parents=True)
    for name in ("local", "stage"):
        (folder / f"{name}.yaml").touch()
    with pytest.raises(EnvironmentUnknown) as raised:
        find_environment("../local", tmp_path)
    assert raised.value.hint == "There are: local, stage."
    assert find_environment("stage", tmp_path) == folder / "stage.yaml"


def test_reading_an_environment_imports_no_engine_and_no_store():
    code = "import sys, drstack.spec; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pulumi", "replicator", "torch", "numpy", "obstore", "boto3"} & set(loaded)


def test_values_do_not_change_after_reading():
    environment = parsed(with_line("    rpo: 2h"))
    with pytest.raises(ValueError, match="frozen"):
        environment.workloads["gpt"].rpo = 1.0
