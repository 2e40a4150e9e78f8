"""Errors of drstack. Each class has an exit code and a hint that names the next command.

    DrstackError                20  anything not told apart below
    ├── EnvironmentInvalid      21  the environment file does not hold (drstack.spec.faults)
    ├── EnvironmentUnknown      21  no such environment, site or workload
    ├── UrlUnsupported          21  a store's URL that this version cannot open (drstack.spec.urls)
    ├── WitnessUnreachable      22  the witness did not answer
    ├── WitnessUnsound          23  the witness is empty, shorter or altered where it must not be
    ├── PromotionRefused        24  a promotion would break an objective or a safety rule
    ├── ConsentRequired         25  it may go on, but only with a consent that was not given
    │   └── ApprovalsMissing    25  it may go on once enough people have approved it
    ├── OperationConflict       26  another operation, or a newer assignment, is in the way
    │   └── FencedSince         26  a later operation has fenced the site where work was to be started
    ├── PlanStale               27  the plan's facts are no longer true
    ├── StepFailed              28  a step of an operation ended without its effect
    │   ├── NotTried            28  a step was not begun, because others like it had failed one after another
    │   ├── OutcomeUnknown      81  a step of users' own was begun, and nobody knows whether it happened
    │   └── NotConfirmed        82  a step waits for a person, and nobody confirmed it in time
    ├── ActuatorFailed          29  a platform did not do what it was asked
    ├── SiteOwned               29  another stack owns the site (drstack.platforms.local.ownership)
    ├── EngineFailed            30  the Pulumi engine failed, or could not be had
    ├── DemoFailed              31  the demo ran and a check of it did not hold
    ├── NotReady                32  the standby cannot take over as it is
    ├── ProofFailed             33  a recovery point was tried and is not what was saved
    ├── NotProved               34  a recovery point could not be proved, and nothing is said against it
    ├── ExtraMissing            35  an optional part of drstack is needed and not installed
    ├── KitUnusable             36  a recovery kit is damaged, or for another kind of machine
    ├── KitStale                37  a recovery kit is whole, and no longer what the environment says, or too old
    ├── KitNotMade              38  a recovery kit could not be written or made ready; older ones stay
    ├── FilesInTheWay           39  drstack init would overwrite files (drstack.project.place)
    ├── OperationPaused         80  somebody paused the operation
    ├── StepMisplaced           21  a step of users' own cannot stand where the environment file puts it
    ├── BelowReadiness          84  a promotion is less sure to succeed now than was asked for
    ├── DrillFailed             85  a drill ran, and failed or did not meet its objectives
    ├── DrillCut                86  a drill was cut short, by whoever needed its capacity or by a kill
    ├── ApprovalRefused         87  a word of somebody who is not asked for it, or that does not hold
    ├── FenceNotProven          88  a fence was tried, and nothing proves yet that the site cannot act
    ├── RunbookStale            90  a runbook is not what would be written now
    └── LeaseLost               91  a lease is another's, was taken, or ended before it was renewed
Codes 40 to 79 are the replicator's (replicator.errors); 0 to 9 keep Pulumi's meaning.
"""

from __future__ import annotations


class DrstackError(Exception):
    """Root of the tree. `hint` is a whole sentence, or a command to type next."""

    exit_code: int = 20
    hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class EnvironmentUnknown(DrstackError):
    exit_code = 21


class WitnessUnreachable(DrstackError):
    exit_code = 22
    hint = (
        "Check the `witness:` URL of the environment file and the network path to it, then run the command again. Does it "
        "stay away, and the work is lost too: drstack promote ENV --to SITE --without-witness --reason '…', "
        "or move it (docs/operations/witness.md)."
    )


class WitnessUnsound(DrstackError):
    exit_code = 23


class PromotionRefused(DrstackError):
    exit_code = 24


class ConsentRequired(DrstackError):
    exit_code = 25


class ApprovalsMissing(ConsentRequired):
    """`digest` of the plan that waits for approval, made on assignment `base`."""

    def __init__(self, message: str, *, hint: str, base: int, digest: str) -> None:
        super().__init__(message, hint=hint)
        self.base = base
        self.digest = digest


class ApprovalRefused(DrstackError):
    exit_code = 87


class FenceNotProven(DrstackError):
    exit_code = 88


class OperationConflict(DrstackError):
    exit_code = 26
    hint = "drstack status ENV shows who writes now; plan again with drstack promote ENV --to SITE --plan."


class FencedSince(OperationConflict):
    """`operation`: the later one, as the site knows it."""

    def __init__(self, operation: str, what: str) -> None:
        super().__init__(f"operation {operation} has fenced {what} since")
        self.operation = operation


class PlanStale(DrstackError):
    exit_code = 27
    hint = "Plan again: drstack promote ENV --to SITE --plan."


class OperationPaused(DrstackError):
    exit_code = 80


class LeaseLost(DrstackError):
    exit_code = 91
    hint = "drstack status ENV shows who writes now."


class BelowReadiness(DrstackError):
    exit_code = 84


class DrillFailed(DrstackError):
    exit_code = 85
    hint = "The report names what to mend; drstack drill ENV --list shows it again."


class DrillCut(DrstackError):
    exit_code = 86
    hint = "Nothing of it is left. Hold it again when the environment is quiet."


class StepFailed(DrstackError):
    exit_code = 28
    hint = "Run the same command again: finished steps are kept and the rest is taken up."


class NotTried(StepFailed):
    """A step that was not begun, because others like it had failed."""


class OutcomeUnknown(StepFailed):
    exit_code = 81


class NotConfirmed(StepFailed):
    exit_code = 82


class StepMisplaced(DrstackError):
    """One step of users' own, by its name in the environment file."""

    exit_code = 21

    def __init__(self, name: str, *, got: str, expected: str, remedy: str) -> None:
        super().__init__(
            f"steps.{name}: got {got}, expected {expected}; {remedy}", hint="drstack check ENV tells more."
        )
        self.name, self.got, self.expected, self.remedy = name, got, expected, remedy


class ActuatorFailed(DrstackError):
    exit_code = 29


class EngineFailed(DrstackError):
    exit_code = 30


class DemoFailed(DrstackError):
    exit_code = 31


class NotReady(DrstackError):
    exit_code = 32


class ProofFailed(DrstackError):
    exit_code = 33
    hint = "drstack promote takes another one; docs/operations/proving.md says what to look at."


class NotProved(DrstackError):
    exit_code = 34


class ExtraMissing(DrstackError):
    exit_code = 35


class KitUnusable(DrstackError):
    exit_code = 36
    hint = "Write a new one: drstack kit ENV; until then take the kit before this one."


class KitStale(DrstackError):
    exit_code = 37
    hint = "Write a new one: drstack kit ENV."


class KitNotMade(DrstackError):
    exit_code = 38


class RunbookStale(DrstackError):
    exit_code = 90
    hint = "Write it anew, and print it: drstack runbook ENV --out FILE."
