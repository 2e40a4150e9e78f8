"""The policy pack that the engine starts: each judgement is a policy of its own name.

Decides which judgements stop an update and which are only said. Invariant: what has no file to judge is said, not passed
over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from drstack.errors import DrstackError
from drstack.policies import declared, planned
from drstack.spec import find_environment, load_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from drstack.policies.finding import Finding
    from drstack.policies.planned import Planned
    from drstack.spec import Environment

_STOP, _SAY = EnforcementLevel.MANDATORY, EnforcementLevel.ADVISORY
_DECLARED: tuple[tuple[Callable[[Environment], Iterable[Finding]], EnforcementLevel], ...] = (
    (declared.sites_apart, _STOP),
    (declared.repositories_apart, _STOP),
    (declared.stores_outside_sites, _STOP),
    (declared.rehearsal_only, _SAY),
    (declared.spare_checkpoints, _SAY),
)
_PLANNED: tuple[tuple[Callable[[Sequence[Planned]], Iterable[Finding]], EnforcementLevel], ...] = (
    (planned.stores_apart, _STOP),
    (planned.copies_elsewhere, _STOP),
    (planned.sites_kept, _SAY),
)


def serve(project: Path) -> None:
    """Serve the pack `drstack` to the engine until it ends us; `project` is the folder with the environment files."""
    policies: list[Policy] = [_on_file(judge, level, project) for judge, level in _DECLARED]
    policies += [_on_resources(judge, level) for judge, level in _PLANNED]
    PolicyPack("drstack", policies)


def _on_file(
    judge: Callable[[Environment], Iterable[Finding]], level: EnforcementLevel, project: Path
) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for name in sorted(
            {str(each.inputs["environment"]) for each in _planned(args) if each.type == planned.ENVIRONMENT}
        ):
            try:
                environment = load_environment(find_environment(name, project), name=name)
            except DrstackError as error:
                report(f"{name} cannot be judged: {error}", None)
                continue
            for finding in judge(environment):
                report(f"{name}: {finding.message}", finding.about)

    return StackValidationPolicy(_name(judge), _first_line(judge), validate, level)


def _on_resources(
    judge: Callable[[Sequence[Planned]], Iterable[Finding]], level: EnforcementLevel
) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for finding in judge(_planned(args)):
            report(finding.message, finding.about)

    return StackValidationPolicy(_name(judge), _first_line(judge), validate, level)


def _planned(args: StackValidationArgs) -> list[Planned]:
    return [planned.Planned(each.resource_type, each.urn, _known(each.props)) for each in args.resources]


def _known(value: Any) -> Any:
    """What is known of a value; reading what is not known yet would end the judgement."""
    if isinstance(value, Mapping):
        fields: dict[str, Any] = {}
        for name in cast("Mapping[str, Any]", value):
            with suppress(UnknownValueError):
                fields[name] = _known(value[name])
        return fields
    if isinstance(value, Sequence) and not isinstance(value, str):
        items: list[Any] = []
        for at in range(len(cast("Sequence[Any]", value))):
            with suppress(UnknownValueError):
                items.append(_known(value[at]))
        return items
    return value


def _name(judge: Callable[..., object]) -> str:
    return judge.__name__.replace("_", "-")


def _first_line(judge: Callable[..., object]) -> str:
    return (judge.__doc__ or "").strip().partition("\n")[0]
