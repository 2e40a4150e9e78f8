"""A machine is about to be taken away: SIGTERM, or a cloud's notice. Save, ship, and end with "resume me".

`with Preemption() as notice:` sets nothing but a flag; the training looks at it between two steps, so that a checkpoint
is always of a whole step. The exit code is 75, EX_TEMPFAIL of sysexits.h: a failure that is over when tried again.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Self

from replicator.errors import ReplicatorError
from replicator.train import ranks
from replicator.train.notices import Notice, Notices, notices_of
from replicator.train.targets import log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType

    from torch.distributed import ProcessGroup

    from replicator.train.notices.detect import Cloud

RESUME_ME = 75
DEFAULT_GRACE_S = 30.0
_MARGIN_S = 2.0
"""What is left of the grace for the process to end in."""


class ResumeMe(SystemExit):
    """Ends the process with the code that asks its launcher to start it again."""

    def __init__(self) -> None:
        super().__init__(RESUME_ME)


class Preemption:
    """True once this machine, or with `agreed` any rank's machine, is to go. For the main thread.

    `grace_s`: how long after SIGTERM the process is killed (Slurm's KillWait and Kubernetes'
    terminationGracePeriodSeconds are 30 s unless set). `cloud`: whose notices to ask for besides; `auto` finds out from
    the firmware, None asks nobody. `notices` puts another source in.
    """

    def __init__(
        self,
        *,
        cloud: Cloud | None = "auto",
        grace_s: float = DEFAULT_GRACE_S,
        signals: Sequence[int] = (signal.SIGTERM,),
        notices: Notices | None = None,
    ) -> None:
        if grace_s <= 0:
            raise ReplicatorError(f"grace_s={grace_s} leaves no time", hint="Give the seconds from SIGTERM to SIGKILL.")
        self._grace_s = grace_s
        self._signals = tuple(signals)
        self._notices = notices if notices is not None else notices_of(cloud)
        self._before: dict[int, object] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._group: ProcessGroup | None = None
        self._joined = False
        self._deadline: float | None = None
        self._advised: Notice | None = None
        self._agreed = False
        self.reason: str | None = None
        """What was heard, by this rank."""

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            log.warning("not in the main thread: SIGTERM is not heard here")
        else:
            for number in self._signals:
                self._before[number] = signal.signal(number, self._heard)
        if self._notices is not None:
            self._thread = threading.Thread(
                target=self._watch, args=(self._notices,), name="drstack-notices", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the signals back and stop asking."""
        self._stop.set()
        for number, before in self._before.items():
            if before is not None:
                signal.signal(number, before)  # pyright: ignore[reportArgumentType]
        self._before.clear()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None

    def __bool__(self) -> bool:
        return self._deadline is not None or self._agreed

    def agreed(self) -> bool:
        """Whether any rank has heard a notice; every rank calls it at every step, and all get the same answer."""
        if not self._joined:
            self._group, self._joined = ranks.gloo_group(), True
        self._agreed = bool(ranks.greatest(int(bool(self)), self._group))
        return self._agreed

    def advice(self) -> Notice | None:
        """A warning that the machine may go, once for each: a reason to save now, not to stop."""
        advised, self._advised = self._advised, None
        return advised

    def remaining_s(self) -> float:
        """Seconds left to save and ship in; the whole grace if the notice was another rank's."""
        if self._deadline is None:
            return self._grace_s - _MARGIN_S
        return max(0.0, self._deadline - time.monotonic() - _MARGIN_S)

    def exit(self) -> None:
        """Raise ResumeMe: the process ends with code 75."""
        raise ResumeMe

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """Only sets values: a handler may run between any two instructions."""
        del frame
        self._note(signal.Signals(number).name, self._grace_s)

    def _note(self, reason: str, left_s: float) -> None:
        ends = time.monotonic() + left_s
        if self._deadline is None or ends < self._deadline:
            self._deadline = ends
            self.reason = reason

    def _watch(self, notices: Notices) -> None:
        """Ask until told. Trouble is said once; what only warns is said once for each warning."""
        trouble: str | None = None
        warned: str | None = None
        while True:
            try:
                notice = notices.look()
            except ReplicatorError as error:
                if trouble is None:
                    log.warning("the cloud's notices cannot be read: %s", error)
                trouble = str(error)
            else:
                trouble = None
                if notice is not None and notice.certain:
                    log.warning("%s", notice.reason)
                    left = self._grace_s if notice.ends_at is None else notice.ends_at - time.time()
                    self._note(notice.reason, max(0.0, left))
                    return
                if notice is not None and notice.reason != warned:
                    log.warning("%s", notice.reason)
                    self._advised = notice
                warned = None if notice is None else notice.reason
            if self._stop.wait(notices.poll_s):
                return
