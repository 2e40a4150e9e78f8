"""What stops a run, and the exit code that says so.

    TrainError            1   (never raised itself)
    ├── Usage             2   the options contradict each other or the machine
    ├── ResumeRefused    66   what was to be resumed is not there, or is another run's
    ├── FolderBusy       73   another run writes to the checkpoint folder
    └── Interrupted      75   asked to stop, stopped between steps: resume me

The numbers are those of sysexits.h (EX_NOINPUT, EX_CANTCREAT, EX_TEMPFAIL). torchrun turns each of them into 1, so the
last line of the metrics repeats it as `exit`.
"""


class TrainError(Exception):
    """Ends the run with `exit_code`; the message names the remedy."""

    exit_code = 1


class Usage(TrainError):
    """The options do not fit each other, the text or the machine."""

    exit_code = 2


class ResumeRefused(TrainError):
    """The demanded checkpoint is absent, incomplete, or of another run."""

    exit_code = 66


class FolderBusy(TrainError):
    """Two runs may not write one folder: each would replace what the other trusts."""

    exit_code = 73


class Interrupted(TrainError):
    """A signal asked the run to stop; the same command goes on from here."""

    exit_code = 75
