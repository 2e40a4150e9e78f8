"""Buckets of Google Cloud Storage: `ifGenerationMatch=0`, and the MD5 of what was stored compared with what was sent.

A plain-HTTP endpoint is an emulator: it gets no credentials.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from obstore.store import GCSStore

from replicator.errors import StoreError
from replicator.stores.clients import Clients, Patience
from replicator.stores.cloud import CloudStore

if TYPE_CHECKING:
    from obstore import PutResult
    from obstore.store import ClientConfig, GCSConfig, GCSCredential, RetryConfig

    from replicator.stores.address import BucketAddress


def gcs_store(address: BucketAddress, patience: Patience) -> CloudStore:
    """Credentials as Google's libraries find them."""
    config: GCSConfig = {}
    if address.endpoint:
        config["base_url"] = address.endpoint.rstrip("/")
    emulator: GCSCredential = {"token": "none", "expires_at": None}

    def client(limits: ClientConfig, retries: RetryConfig) -> GCSStore:
        return GCSStore(
            address.bucket,
            prefix=address.prefix or None,
            config=config,
            client_options={"allow_http": address.plain_http, **limits},
            retry_config=retries,
            credential_provider=(lambda: emulator) if address.plain_http else None,
        )

    url = f"gs://{address.bucket}/{address.prefix}".rstrip("/")
    return CloudStore(Clients(client, patience), url, confirm=_confirm)


def _confirm(stored: PutResult, body: bytes) -> None:
    """The ETag of an object that was put whole is its MD5, except under keys of one's own, where it is opaque."""
    told = (stored["e_tag"] or "").strip('"')
    if re.fullmatch(r"[0-9a-f]{32}", told) and told != hashlib.md5(body, usedforsecurity=False).hexdigest():
        raise StoreError("the store holds other bytes than were sent", hint="Check this machine's memory and proxies.")
