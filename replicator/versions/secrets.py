"""Which texts hold secrets. Nothing that does is written into a repository by what gathers versions.

It knows the shapes in which credentials usually stand, not every one: what is kept is content of a repository all the
same, and as safe as the repository is.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import PurePosixPath

_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*@")
_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
        r"(?i)aws_secret_access_key\W{1,4}[A-Za-z0-9/+=]{30,}",
        r"\b(ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,}",
        r"\bgithub_pat_[A-Za-z0-9_]{30,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bhf_[A-Za-z0-9]{30,}",
        r"\bsk-[A-Za-z0-9_-]{24,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\bAIza[A-Za-z0-9_-]{35}",
        r"\bnpm_[A-Za-z0-9]{30,}",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.",
        r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@'\"]*:[^/\s@'\"]+@",
        r"(?i)\b(password|passwd|api_?key|secret|token)\b['\"]?\s*[:=]\s*['\"][^'\"\s${}<>]{8,}['\"]",
    )
)
_NAMES = (
    ".env", ".env.*", "*.env", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".htpasswd", "*.pem", "*.key", "*.p12",
    "*.pfx", "*.jks", "*.kdbx", "id_rsa*", "id_ed25519*", "id_ecdsa*", "credentials", "credentials.*", "secrets.*",
    "kubeconfig*", "*.kubeconfig", "*service-account*.json", "*service_account*.json",
)  # fmt: skip


def scrub(text: str) -> str:
    """The text without the user and password of any URL in it."""
    return _USERINFO.sub(lambda match: match["scheme"], text)


def scrub_url(url: str) -> str:
    """A URL for people: no user, no password, no query, no fragment. `git@host:path` stays as it is."""
    return re.split(r"[?#]", scrub(url.strip()), maxsplit=1)[0]


def named_for_secrets(path: str) -> bool:
    """Whether a file of this name is one that credentials are kept in."""
    name = PurePosixPath(path).name.lower()
    return any(fnmatch(name, pattern) for pattern in _NAMES)


def holds_secret(text: str) -> bool:
    return any(shape.search(text) for shape in _SHAPES)
