"""The files of a new project, as text.

Decides what a project consists of. Invariant: an environment file that does not hold is refused here, with every fault,
before anything is written; nothing that is written names a path of this machine.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import drstack
from drstack.errors import DrstackError
from drstack.project.environment_file import environment_text
from drstack.spec import parse_environment, schema_text

if TYPE_CHECKING:
    from drstack.project.answers import Answers
    from drstack.spec import Environment

Ci = Literal["github", "gitlab", "none"]
_HERE = Path(__file__).parent / "files"
_PACKAGE = Path(drstack.__file__).parent
_CHECKOUT_EXAMPLE = _PACKAGE.parent / "examples" / "train"
_PLUGIN = "pulumi-resource-drstack"
_ENGINE = "3.259.0"
"""The Pulumi release of the image that CI runs in: of the minor version that the extra `pulumi` asks for."""
_CI_FILES: dict[Ci, dict[str, str]] = {
    "github": {".github/workflows/drstack.yml": "github.yml"},
    "gitlab": {".gitlab-ci.yml": "gitlab.yml"},
    "none": {},
}


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    executable: bool = False


Files = dict[PurePosixPath, File]


class _Text(string.Template):
    """Templates with `%%{name}`, as CI files are full of `$`."""

    delimiter = "%%"


def compose(answers: Answers, *, name: str, ci: Ci, example: bool) -> Files:
    """Every file of the project, by its path in it. EnvironmentInvalid, with all faults of the answers."""
    told = environment_text(answers.document())
    path = f"stacks/environments/{answers.environment}.yaml"
    declared = parse_environment(told, Path(path), name=answers.environment)
    words = _words(declared, name, example=example)
    texts = {
        "Pulumi.yaml": _fill("Pulumi.yaml", words),
        "README.md": _fill("README.md", words),
        "requirements.txt": _fill("requirements.txt", words),
        ".gitignore": _fill("gitignore", words),
        "stacks/__main__.py": _fill("stacks/__main__.py", words),
        path: told,
        "stacks/environments/environment.schema.json": schema_text(),
        "policies/PulumiPolicy.yaml": _fill("policies/PulumiPolicy.yaml", words),
        "policies/__main__.py": _fill("policies/__main__.py", words),
        **{goal: _fill(source, words) for goal, source in _CI_FILES[ci].items()},
    }
    files = {PurePosixPath(goal): File(text.encode()) for goal, text in texts.items()}
    files[PurePosixPath("policies/run")] = File((_HERE / "policies" / "run").read_bytes(), executable=True)
    launcher = (_PACKAGE / "provider" / "bin" / _PLUGIN).read_bytes()
    files[PurePosixPath("stacks/provider/bin") / _PLUGIN] = File(launcher, executable=True)
    return files | (_example() if example else {})


def project_name(folder: Path) -> str:
    """Pulumi's name for the project, from the folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.")[:100] or "drstack"


def _fill(name: str, words: dict[str, str]) -> str:
    return _Text((_HERE / name).read_text()).substitute(words)


def _words(declared: Environment, name: str, *, example: bool) -> dict[str, str]:
    on_this_machine = any(site.platform == "local" for site in declared.sites.values())
    extras = ["pulumi", *(["local"] if on_this_machine else []), "policies", *(["train"] if example else [])]
    return {
        "project": name,
        "environment": declared.environment,
        "primary": declared.primary,
        "standby": next(site for site in declared.sites if site != declared.primary),
        "extras": ",".join(extras),
        "version": version("drstack"),
        "engine": _ENGINE,
        "stacks_ignored": f"/stacks/Pulumi.{declared.environment}*.yaml\n"
        if declared.state.startswith("file:")
        else "",
        "previews": "\n".join(
            f'          pulumi preview -s {declared.environment}.{site} --policy-pack "$PWD/policies/run"'
            for site in declared.sites
        ),
    }


def _example() -> Files:
    """The training example; a wheel holds it, a checkout has it beside the package."""
    packed = _HERE / "examples" / "train"
    folder = packed if packed.is_dir() else _CHECKOUT_EXAMPLE
    if not folder.is_dir():
        raise DrstackError(
            f"{packed} is not there", hint="Install drstack again: pip install --force-reinstall drstack"
        )
    files = {
        PurePosixPath("examples/train") / each.name: File(each.read_bytes())
        for each in sorted(folder.iterdir())
        if each.suffix in {".py", ".md"}
    }
    return {PurePosixPath("examples/__init__.py"): File(b""), **files}
