"""What can be wrong with the files of a checkpoint. `parse` turns each of these into a note; it raises none of them.

FormatError
├── PathRefused        a name that could lead out of the checkpoint folder
├── SourceUnreadable   missing, not a regular file, shorter than asked for, or larger than the reader's limit
├── PickleRefused      a pickle that is broken or uses more than the restricted reader knows
│   └── UnknownClass   it names a class that is not on the list
├── MetadataInvalid    a readable `.metadata` whose contents contradict themselves
├── ArchiveInvalid     an item that is no uncompressed `torch.save` archive of one dense tensor
└── HeaderInvalid      a safetensors header that breaks the format's rules
"""

from __future__ import annotations

from replicator.errors import ReplicatorError


class FormatError(ReplicatorError):
    hint = "The bytes are replicated as they are; only the format's own compression and checks are skipped."


class PathRefused(FormatError):
    hint = "A checkpoint names only files inside its own folder; find out who wrote this one."


class SourceUnreadable(FormatError):
    hint = "Let the trainer finish the checkpoint, and see that the replicator may read it."


class PickleRefused(FormatError):
    pass


class UnknownClass(PickleRefused):
    hint = "If a released trainer writes this class, report it: the reader's list is in replicator/formats."

    def __init__(self, module: str, name: str) -> None:
        super().__init__(f"the pickle names {module}.{name}, which is not on the list")
        self.module = module
        self.name = name


class MetadataInvalid(FormatError):
    pass


class ArchiveInvalid(FormatError):
    pass


class HeaderInvalid(FormatError):
    pass
