"""Errors of the replicator. Each class has an exit code and a hint that names what to do next.

ReplicatorError             40  anything not told apart below
├── RepositoryUnknown       41  no repository at this URL, or a format that this version cannot read
│   └── TooNew              41  it can be read, or written, by newer versions only
├── NothingToRestore        42  no commit matches the selector
├── PartRefused             66  the part asked for (files, tensors, ranks) cannot be had from this checkpoint
├── CheckpointTorn          43  the checkpoint is incomplete and was not committed
├── SourceChanged           44  files changed while they were being read
├── Sealed                  45  the log is sealed for this term: this writer has been replaced
│   └── HeightTaken         55  (term, height) holds another checkpoint: somebody else pushed in this writer's name
├── NotOpen                 46  the workload's log has no open entry for this term
├── RecordCorrupt           47  a log record or receipt cannot be read; it blocks, it is never skipped
│   └── SignatureRefused    59  a record is not signed as the trust file demands
│       └── KeyRevoked      59  its key was revoked before it was written
├── DataCorrupt             48  a pack or manifest is not what its digest says
│   ├── PackDamaged         48  which pack that is
│   └── NotRepaired         68  no peer has what is damaged
├── DestinationOccupied     49  the folder to restore into holds something else
├── TermRegressed           50  a log shows a lower term than was already seen
│   └── RolledBack          67  a log ends before, or says otherwise than, what was seen or anchored of it
├── HoldUnknown             60  no hold of that name
├── LockRefused             61  a store cannot lock objects, or did not take a lock
│   ├── Denied              61  these credentials may not ask, or do, that
│   └── NotLocked           61  the bucket, or the object, has no lock
├── BaseGone                54  the checkpoint that a push leaned on was dropped meanwhile
├── KeyAbsent               56  a key that this needs is not among the keys at hand
├── KeyLocked               57  a key file cannot be used: its passphrase, its KMS, its mode, or it is damaged
├── Untrusted               58  the trust file does not vouch for this repository, or cannot be read
├── NotAcknowledged         63  the near site does not confirm a save: it is not protected
├── DoesNotFit              73  the work cannot run on the machine that it would be restored to
├── PointNotMade            74  other systems could not be brought to the checkpoint's step, or are not at it
├── FormatError             40  a file is not of the format that it seems to have (replicator.formats.errors);
│   │                           within a checkpoint it then travels as opaque bytes
│   ├── MetadataInvalid     40
│   ├── PickleRefused       40
│   │   └── UnknownClass    40
│   ├── HeaderInvalid       40
│   ├── ArchiveInvalid      40
│   ├── NotGatherable       40  a tensor that cannot be written as safetensors, or not all of whose shards are there
│   ├── PathRefused         40
│   └── SourceUnreadable    40
├── NoticeUnreadable        40  a cloud's metadata service did not answer as documented (replicator.train.notices.http)
└── StoreError              51  an object store did not do what it was asked
    ├── KeyExists           51  a create found another object there (replicator.stores handles it)
    ├── KeyMissing          51  no such object
    ├── ObjectArchived      79  an object lies in an archive and must be asked for before it can be read
    ├── OutcomeUnknown      52  a write was sent and nobody knows whether it took effect
    └── StoreUnavailable    53  the store did not answer
        └── StoreAway       53  and is not asked again for a while (replicator.stores.breaker)
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


class TooNew(RepositoryUnknown):
    hint = "Use a newer drstack for it, at every site."


class NothingToRestore(ReplicatorError):
    exit_code = 42
    hint = "See what there is with: replicator list --repo URL"


class PartRefused(ReplicatorError):
    exit_code = 66
    hint = "Restore the whole checkpoint."


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


class SignatureRefused(RecordCorrupt):
    exit_code = 59
    hint = (
        "Somebody without the key wrote it, or the trust file is older than the key: compare it with a copy elsewhere."
    )


class KeyRevoked(SignatureRefused):
    hint = "Who took the key wrote it, or the trust file is newer than the log: docs/security.md says what stands."


class KeyAbsent(ReplicatorError):
    exit_code = 56
    hint = "Name the folder that has it with --keys FOLDER, or in DRSTACK_KEYS. See: replicator keys list"


class KeyLocked(ReplicatorError):
    exit_code = 57
    hint = "Check the file's mode, its passphrase, or the access to its KMS."


class Untrusted(ReplicatorError):
    exit_code = 58
    hint = "Compare the trust file with a copy that is kept elsewhere, before anything is restored."


class DataCorrupt(ReplicatorError):
    exit_code = 48
    hint = (
        "Name a peer with a further --repo, take an older one with --or-older, or save what can be had with --salvage."
    )


class PackDamaged(DataCorrupt):
    """`pack` is the digest that names it."""

    def __init__(self, message: str, *, pack: str) -> None:
        super().__init__(message)
        self.pack = pack


class NotRepaired(DataCorrupt):
    exit_code = 68
    hint = "Name further peers with --from, or save what can be had: replicator restore … --salvage FOLDER"


class DestinationOccupied(ReplicatorError):
    exit_code = 49
    hint = "Name an empty or absent folder with --to."


class TermRegressed(ReplicatorError):
    exit_code = 50
    hint = "The repository was rolled back. Keep it aside and let a peer repository put back what is missing."


class RolledBack(TermRegressed):
    exit_code = 67
    hint = "Put back what is missing: replicator repair --repo URL --from PEER. TERM.HEIGHT restores one by its name."


class BaseGone(ReplicatorError):
    exit_code = 54
    hint = "Push again: it will lean on what is there now."


class HoldUnknown(ReplicatorError):
    exit_code = 60
    hint = "See what is held with: replicator retain --repo URL --workload NAME --dry-run"


class LockRefused(ReplicatorError):
    exit_code = 61
    hint = "Make a bucket with object lock (it can be turned on for one with versioning); docs/operations/retention.md."


class Denied(LockRefused):
    pass


class NotLocked(LockRefused):
    pass


class NotAcknowledged(ReplicatorError):
    exit_code = 63
    hint = "Bring the near site back, or have another acknowledge: drstack status ENV; then save again."


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


class ObjectArchived(StoreError):
    exit_code = 79
    hint = "Ask for it: replicator thaw SELECTOR --repo URL"


class OutcomeUnknown(StoreError):
    exit_code = 52
    hint = "Run the command again: it reads what is there before it writes."


class StoreUnavailable(StoreError):
    exit_code = 53
    hint = "Check the URL, the credentials and the network path, then run the command again."


class StoreAway(StoreUnavailable):
    """It did not answer within what its caller could wait; asking again at once is of no use."""
