"""Real servers that tests run against, and how each gets onto a machine."""


class ServerUnavailable(Exception):
    """A server cannot be had on this machine; the message says why and what would help."""
