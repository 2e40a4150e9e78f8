"""What ends the program, or one request.

ServeError            1   (never raised itself)
├── Usage             2   the options contradict each other or the machine
├── NotServable      65   a checkpoint that restored whole and holds no model that this program knows
└── BadRequest        -   a request that cannot be answered; the client gets its message with status 400
"""


class ServeError(Exception):
    """Ends the program with `exit_code`; the message names the remedy."""

    exit_code = 1


class Usage(ServeError):
    """The options do not fit each other or the machine."""

    exit_code = 2


class NotServable(ServeError):
    """The checkpoint's files are what its commit says, and there is no model in them that can be served."""

    exit_code = 65


class BadRequest(ServeError):
    """The client's fault."""
