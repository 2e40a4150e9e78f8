"""`python -m drstack`: the same as the `drstack` command."""

from drstack.cli.main import run

run()
