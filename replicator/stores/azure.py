"""Containers of Azure Blob Storage. Azure tells obstore no checksum, so that TLS and receipts have to do (docs/stores.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from obstore.store import AzureStore

from replicator.errors import StoreError
from replicator.stores.clients import Clients, Patience
from replicator.stores.cloud import CloudStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import AzureConfig, ClientConfig, RetryConfig

    from replicator.stores.address import BucketAddress

_ACCOUNT = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")


def azure_store(address: BucketAddress, patience: Patience, environ: Mapping[str, str] = os.environ) -> CloudStore:
    """Credentials as Azure's libraries find them; the names that the `az` command reads count too."""
    account = address.account or next((environ[name] for name in _ACCOUNT if environ.get(name)), "")
    if not account:
        raise StoreError(
            f"az://{address.bucket}: no storage account is named",
            hint=f"Use az://{address.bucket}/PREFIX?account=ACCOUNT, or set AZURE_STORAGE_ACCOUNT.",
        )
    config: AzureConfig = {"account_name": account}
    if key := environ.get("AZURE_STORAGE_KEY"):
        config["account_key"] = key
    if address.endpoint:
        config["endpoint"] = address.endpoint.rstrip("/")

    def client(limits: ClientConfig, retries: RetryConfig) -> AzureStore:
        return AzureStore(
            address.bucket,
            prefix=address.prefix or None,
            config=config,
            client_options={"allow_http": address.plain_http, **limits},
            retry_config=retries,
        )

    return CloudStore(Clients(client, patience), f"az://{address.bucket}/{address.prefix}".rstrip("/"))
