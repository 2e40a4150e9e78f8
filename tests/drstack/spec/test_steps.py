"""The section `steps:`, and what is said of one that does not hold."""

from __future__ import annotations

import pytest

from drstack.spec.steps import OwnStep, document
from tests.drstack.spec.declared import LOCAL, faults_of, parsed


def _steps(text):
    return LOCAL + "steps:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def test_a_step_is_read_and_a_plan_holds_what_was_declared():
    declared = parsed(
        _steps('scale: {shell: [/opt/x, "{target}"], after: assign, before: [start gpt], timeout: 2m, retry: 2}')
    )
    step = declared.steps["scale"]
    assert (step.kind, step.shell, step.after, step.timeout_s, step.tries) == (
        "shell", ("/opt/x", "{target}"), ("assign",), 120.0, 3,
    )  # fmt: skip
    assert OwnStep.model_validate(document(step)) == step
    assert "on" not in document(step)


def test_text_is_a_script_for_sh():
    assert parsed(_steps("x: {shell: 'a | b'}")).steps["x"].shell == ("/bin/sh", "-euc", "a | b")


FAULTS = {
    "no kind": ("x: {after: assign}", "steps.x", "one of shell"),
    "two kinds": ("x: {shell: [a], wait: b}", "steps.x", "one of shell"),
    "empty command": ("x: {shell: []}", "steps.x.shell", "text for sh, or a list"),
    "secret in arguments": ("x: {shell: [a, '${env:B}']}", "steps.x.shell", "put it under env"),
    "secret in a script": ("x: {shell: 'a ${file:/b}'}", "steps.x.shell", "put it under env"),
    "broken reference": ("x: {shell: [a], env: {B: '${env:1}'}}", "steps.x.env.B", "references such as"),
    "unknown site": ("x: {shell: [a], to: [wset]}", "steps.x.to.0", "one of east, west"),
    "unknown workload": ("x: {shell: [a], workloads: [gtp]}", "steps.x.workloads.0", "one of gpt"),
    "unknown anchor": ("x: {shell: [a], after: asign}", "steps.x.after.0", "another step"),
    "anchor at an unknown workload": ("x: {shell: [a], after: start gtp}", "steps.x.after.0", "start and one of gpt"),
    "anchor at an unknown site": ("x: {shell: [a], after: fence wset}", "steps.x.after.0", "fence and one of east"),
    "anchor at itself": ("x: {shell: [a], after: x}", "steps.x.after.0", "another step"),
    "a name of drstack's": ("assign: {shell: [a]}", "steps.assign", "write my-assign"),
    "unknown operation": ("x: {shell: [a], on: [promotion]}", "steps.x.on.0", "write 0: promote"),
    "no time": ("x: {shell: [a], timeout: 0}", "steps.x", "a timeout above 0"),
    "check of a person": ("x: {wait: a, check: b}", "steps.x", "no check with wait"),
    "a password written out": (
        "x: {postgresql: {servers: {east: a, west: b}, user: u, password: hunter2}}",
        "steps.x.postgresql.password",
        "write ${env:NAME}",
    ),
    "a token written out": (
        "x: {http: {url: 'https://h/', headers: {Authorization: Bearer hunter2}}}",
        "steps.x.http.headers",
        "${env:NAME}",
    ),
    "a key in an address": (
        "x: {notify: {webhook: 'https://h/?token=hunter2'}}",
        "steps.x.notify.webhook",
        "${env:NAME}",
    ),
    "a user in an address": ("x: {http: {url: 'https://u:hunter2@h/'}}", "steps.x.http.url", "without user"),
    "an address of another kind": ("x: {http: {url: 'file:///etc/hunter2'}}", "steps.x.http.url", "https://host/path"),
    "nothing for a target": (
        "x: {postgresql: {servers: {east: a}, user: u}}",
        "steps.x.postgresql.servers",
        "add west, or write to: [east]",
    ),
    "a server of no site": (
        "x: {postgresql: {servers: {east: a, west: b, wset: c}, user: u}}",
        "steps.x.postgresql.servers.wset",
        "east, west",
    ),
    "two ways to a zone": (
        "x: {dns: {zone: e., record: a, powerdns: 'http://h', key: '${env:K}', update: h, values: {east: [b], west: [c]}}}",
        "steps.x.dns",
        "either `powerdns` or `update`",
    ),
    "a zone without its dot": (
        "x: {dns: {zone: e, record: a, update: h, values: {east: [b], west: [c]}}}",
        "steps.x.dns.zone",
        "example.org.",
    ),
    "moments of no notice": ("x: {shell: [a], when: [begin]}", "steps.x", "`when` with notify alone"),
    "arguments of no function": ("x: {shell: [a], args: {b: c}}", "steps.x", "`args` with python alone"),
    "a password in the clear": (
        "x: {notify: {email: {smtp: h, sender: a@b, to: [c@d], user: u, password: '${env:P}', tls: none}}}",
        "steps.x.notify.email",
        "starttls or tls",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_its_field_and_what_to_write(name):
    text, field, expected = FAULTS[name]
    faults = faults_of(_steps(text))
    assert field in faults, faults
    assert expected in str(faults[field])
    assert "hunter2" not in str(faults), "a fault does not tell what may be a secret"
    assert faults[field].line == LOCAL.count("\n") + 2
