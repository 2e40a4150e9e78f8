"""Whether Pulumi's state answers: one question of the store, with a deadline. Nothing is written."""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from drstack.readiness.situation import Backend
from drstack.spec.urls import shown_url
from replicator.errors import KeyMissing, ReplicatorError
from replicator.stores.deadline import DeadlineStore
from replicator.stores.url import open_store

_ASK_S = 5.0
_META = ".pulumi/meta.yaml"
_OPENED = {"s3": "s3", "gs": "gs", "azblob": "az"}
_OPTIONS = {"region", "endpoint", "storage_account"}


def ask_backend(url: str) -> Backend:
    """`url` is resolved (drstack.spec.urls): a folder, a bucket, or a Pulumi service."""
    parts, shown = urlsplit(url), shown_url(url)
    if parts.scheme == "file":
        return _folder(Path(unquote(parts.path)), shown)
    if parts.scheme == "https":
        return _service(parts.netloc, shown)
    if parts.scheme not in _OPENED:
        return Backend(shown, None, f"{parts.scheme} is not known")
    options = {name: value for name, value in parse_qsl(parts.query) if name in _OPTIONS}
    if "endpoint" in options and "://" not in options["endpoint"]:
        options["endpoint"] = f"https://{options['endpoint']}"
    query = f"?{urlencode(options)}" if options else ""
    try:
        store = DeadlineStore(
            open_store(f"{_OPENED[parts.scheme]}://{parts.netloc}{parts.path}{query}"), limit_s=_ASK_S
        )
        store.get(_META)
    except KeyMissing:
        return Backend(shown, answers=True)  # one that nothing was kept in yet
    except ReplicatorError as error:
        return Backend(shown, answers=False, why=str(error))
    return Backend(shown, answers=True)


def _folder(folder: Path, shown: str) -> Backend:
    if not folder.is_dir():
        return Backend(shown, answers=False, why=f"the folder {folder} is not there")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Backend(shown, answers=False, why=f"the folder {folder} cannot be written")
    return Backend(shown, answers=True)


def _service(host: str, shown: str) -> Backend:
    connection = http.client.HTTPSConnection(host, timeout=_ASK_S)
    try:
        connection.request("GET", "/api/capabilities", headers={"Accept": "application/json"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Backend(shown, answers=False, why=str(error))
    finally:
        connection.close()
    return Backend(shown, status < http.client.INTERNAL_SERVER_ERROR, f"it answers with {status}")
