"""Errors of the replicator. Each class has an exit code and a hint that names what to do next.

ReplicatorError             40  anything not told apart below
├── RepositoryUnknown       41  no repository at this URL, or a format that this version cannot read
├── NothingToRestore        42  no commit matches the selector
├── CheckpointTorn          43  the checkpoint is incomplete and was not committed
├── SourceChanged           44  files changed while they were being read
├── Sealed                  45  the log is sealed for this term: this writer has been replaced
│   └── HeightTaken         55  (term, height) holds another checkpoint: somebody else pushed in this writer's name
├── NotOpen                 46  the workload's log has no open entry for this term
├── RecordCorrupt           47  a log record or receipt cannot be read; it blocks, it is never skipped
├── DataCorrupt             48  a pack or manifest is not what its digest says
├── DestinationOccupied     49  the folder to restore into holds something else
├── TermRegressed           50  a log shows a lower term than was already seen
├── BaseGone                54  the checkpoint that a push leaned on was dropped meanwhile
├── DoesNotFit              73  the work cannot run on the machine that it would be restored to
├── PointNotMade            74  other systems could not be brought to the checkpoint's step, or are not at it
├── FormatError             40  a file is not of the format that it seems to have (replicator.formats.errors);
│   │                           within a checkpoint it then travels as opaque bytes
│   ├── MetadataInvalid     40
│   ├── PickleRefused       40
│   │   └── UnknownClass    40
│   ├── HeaderInvalid       40
│   ├── ArchiveInvalid      40
│   ├── PathRefused         40
│   └── SourceUnreadable    40
├── NoticeUnreadable        40  a cloud's metadata service did not answer as documented (replicator.train.notices.http)
└── StoreError              51  an object store did not do what it was asked
    ├── KeyExists           51  a create found another object there (replicator.stores handles it)
    ├── KeyMissing          51  no such object
    ├── OutcomeUnknown      52  a write was sent and nobody knows whether it took effect
    └── StoreUnavailable    53  the store did not answer
"""

from __future__ import annotations


class ReplicatorError(Exception):
    """Root of the tree. `hint` is a whole sentence, or a command to type next."""

    exit_code: int = 40
    hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class RepositoryUnknown(ReplicatorError):
    exit_code = 41
    hint = "Create one with: replicator init --repo URL"


class NothingToRestore(ReplicatorError):
    exit_code = 42
    hint = "See what there is with: replicator list --repo URL"


class CheckpointTorn(ReplicatorError):
    exit_code = 43
    hint = "Let the trainer finish the checkpoint, or push another one."


class SourceChanged(ReplicatorError):
    exit_code = 44
    hint = "Push a checkpoint that the trainer no longer writes to."


class Sealed(ReplicatorError):
    exit_code = 45
    hint = "Another site writes now. drstack status ENV shows which; this writer must stay stopped."


class HeightTaken(Sealed):
    exit_code = 55
    hint = "Push again: it will take the next height. Find out who else pushes as this writer."


class NotOpen(ReplicatorError):
    exit_code = 46
    hint = "drstack up ENV opens the workload; without an environment the first push does."


class RecordCorrupt(ReplicatorError):
    exit_code = 47
    hint = "Put the record back from a peer repository or a backup; nothing is decided past an unreadable record."


class DataCorrupt(ReplicatorError):
    exit_code = 48
    hint = "Restore an older recovery point, or from a peer repository: replicator list --repo URL"


class DestinationOccupied(ReplicatorError):
    exit_code = 49
    hint = "Name an empty or absent folder with --to."


class TermRegressed(ReplicatorError):
    exit_code = 50
    hint = "The repository was rolled back. Keep it aside and let a peer repository put back what is missing."


class BaseGone(ReplicatorError):
    exit_code = 54
    hint = "Push again: it will lean on what is there now."


class DoesNotFit(ReplicatorError):
    exit_code = 73
    hint = "Restore where it fits; or all the same: --anyway --reason TEXT"


class PointNotMade(ReplicatorError):
    exit_code = 74
    hint = "See which participant failed and why; what was paused goes on."


class StoreError(ReplicatorError):
    exit_code = 51


class KeyExists(StoreError):
    pass


class KeyMissing(StoreError):
    pass


class OutcomeUnknown(StoreError):
    exit_code = 52
    hint = "Run the command again: it reads what is there before it writes."


class StoreUnavailable(StoreError):
    exit_code = 53
    hint = "Check the URL, the credentials and the network path, then run the command again."
