"""`drstack runbook`: what to do when a site is lost, from the plans that would be carried out, for paper."""

from __future__ import annotations

import json as json_
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class BookForm(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"


def runbook(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    shown_as: Annotated[
        BookForm | None, typer.Option("--as", help="The form; else by the ending of --out, else Markdown.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there, not to stdout.")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Say whether this one still holds; exit 90 if not.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --check or --out: one JSON document on stdout.")] = False,
) -> None:
    """Print the runbook: three commands for 3 a.m., then for each site that may be lost what happens, step by step."""
    from drstack.assembly import load, local_root, project_root
    from drstack.cli.out import put, suffix_form
    from drstack.report.as_html import as_html
    from drstack.report.as_markdown import as_markdown
    from drstack.runbook.gather import runbook as gathered

    if check is not None and (out is not None or shown_as is not None):
        raise typer.BadParameter("--check compares a file in its own form: leave --out and --as away")
    page, structure = gathered(load(environment), local_root(project_root()))
    if check is not None:
        _check(
            check,
            {BookForm.HTML: as_html(page), BookForm.MARKDOWN: as_markdown(page)},
            structure,
            environment,
            json=json,
        )
        return
    told = suffix_form(out)
    form = shown_as or (BookForm(told) if told in set(BookForm) else BookForm.MARKDOWN)
    put(as_html(page) if form is BookForm.HTML else as_markdown(page), out)
    if json and out is not None:
        sys.stdout.write(json_.dumps({"file": str(out), "form": form.value, "structure": structure}) + "\n")


def _check(file: Path, forms: dict[BookForm, str], structure: str, environment: str, *, json: bool) -> None:
    from drstack.errors import EnvironmentUnknown, RunbookStale
    from drstack.runbook.stale import differences

    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentUnknown(
            f"no runbook can be read from {file}: {error}", hint=f"drstack runbook {environment} --out {file}"
        ) from error
    form = BookForm.HTML if written.lstrip().lower().startswith("<!doctype html") else BookForm.MARKDOWN
    found = differences(written, forms[form])
    if json:
        told = {"file": str(file), "form": form.value, "holds": not found, "structure": structure, "differences": found}
        sys.stdout.write(json_.dumps(told) + "\n")
    if found:
        few = "".join(f"\n  {line}" for line in found[:12])
        raise RunbookStale(
            f"{file} is not what would be written now (structure {structure}):{few}",
            hint=f"Write it anew, and print it: drstack runbook {environment} --out {file}",
        )
    if not json:
        sys.stdout.write(f"{file} still holds (structure {structure}).\n")
