"""`drstack schema`: the environment file as JSON Schema."""

from __future__ import annotations

import sys


def schema() -> None:
    """Print the JSON Schema of the environment file, for editors."""
    from drstack.spec import schema_text

    sys.stdout.write(schema_text())
