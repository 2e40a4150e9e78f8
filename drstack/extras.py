"""Which optional parts of drstack are installed, and the command that installs those that are missing.

Decides what each extra of pyproject.toml stands for. Invariant: whoever needs one asks here before the work begins,
so that a missing one is an error that names it and never a traceback halfway.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

from drstack.errors import ExtraMissing

if TYPE_CHECKING:
    from drstack.spec import Environment

Extra = Literal["pulumi", "local", "train", "report", "policies", "s3-lock", "postgresql", "dns", "ansible", "otel"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
_MODULES: dict[Extra, tuple[str, ...]] = {
    "pulumi": ("pulumi",),
    "local": ("supervisor",),
    "train": ("torch", "safetensors"),
    "report": ("jinja2", "matplotlib"),
    "policies": ("pulumi", "pulumi_policy"),
    "s3-lock": ("boto3",),
    "postgresql": ("psycopg",),
    "dns": ("dns",),
    "ansible": ("ansible", "ansible_runner"),
    "otel": ("opentelemetry.exporter.otlp.proto.http",),
}


def _there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def missing(*extras: Extra) -> dict[Extra, tuple[str, ...]]:
    """Those of `extras` that are not installed here, with the modules that they lack."""
    lacking: dict[Extra, tuple[str, ...]] = {
        extra: tuple(name for name in _MODULES[extra] if not _there(name)) for extra in extras
    }
    return {extra: names for extra, names in lacking.items() if names}


def require(*extras: Extra, what: str) -> None:
    """ExtraMissing, where one is not installed; `what` needs them: `drstack up`."""
    lacking = missing(*extras)
    if lacking:
        names = dict.fromkeys(name for each in lacking.values() for name in each)
        raise ExtraMissing(
            f"{what} needs {', '.join(names)}, not installed here", hint=f"pip install 'drstack[{','.join(lacking)}]'"
        )


def needed_by(environment: Environment) -> tuple[Extra, ...]:
    """What an environment's platforms need, beside Pulumi, to be brought up."""
    return ("local",) if any(site.platform == "local" for site in environment.sites.values()) else ()
