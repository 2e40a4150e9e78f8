"""Verbs as they are typed, on a world of a test instead of what an environment file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from drstack import assembly
from drstack.cli import approve
from drstack.cli.main import make_app

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from click.testing import Result

    from drstack.recovery.world import World


class Typed:
    """`world` is told who signs, if anybody does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: Callable[[str | None], World]) -> None:
        monkeypatch.setattr(assembly, "load", lambda _: None)
        monkeypatch.setattr(assembly, "project_root", lambda: None)
        monkeypatch.setattr(assembly, "local_root", lambda _: None)
        monkeypatch.setattr(approve, "holding", lambda _declared, _root, person, _key: person)
        monkeypatch.setattr(assembly, "assemble", lambda *_, holding=None, **__: world(holding))

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(make_app(), arguments)
