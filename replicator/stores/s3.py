"""Buckets of S3 and of what speaks its language. Every put carries the SHA-256 that the server checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.store import S3Store

from replicator.stores.clients import Clients, Patience
from replicator.stores.cloud import CloudStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

    from replicator.stores.address import BucketAddress


def s3_store(address: BucketAddress, patience: Patience) -> CloudStore:
    """Credentials as the AWS SDKs find them. A named endpoint gets the bucket as part of the path."""
    config: dict[str, str] = {"checksum_algorithm": "sha256"}
    if address.region:
        config["region"] = address.region
    if address.endpoint:
        config["endpoint"] = address.endpoint
        config["virtual_hosted_style_request"] = "false"

    def client(limits: ClientConfig, retries: RetryConfig) -> S3Store:
        return S3Store(
            address.bucket,
            prefix=address.prefix or None,
            config=config,  # pyright: ignore[reportArgumentType]
            client_options={"allow_http": address.plain_http, **limits},
            retry_config=retries,
        )

    return CloudStore(Clients(client, patience), f"s3://{address.bucket}/{address.prefix}".rstrip("/"))
