"""Serving the provider to the engine.

As `pulumi.provider.experimental.server.main`, with one difference: an error of ours reaches the user as its message
and its hint, in place of the name of a Python class.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

import grpc
import grpc.aio
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime.proto import provider_pb2_grpc

from drstack.errors import DrstackError
from drstack.provider.provider import DrstackProvider
from replicator.errors import ReplicatorError

Behaviour = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[object]]


class PlainErrors(grpc.aio.ServerInterceptor):
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        behaviour: Behaviour = handler.unary_unary

        async def tell(request: object, context: grpc.aio.ServicerContext[Any, Any]) -> object:
            try:
                return await behaviour(request, context)
            except (DrstackError, ReplicatorError, OSError) as error:
                hint = getattr(error, "hint", None)
                await context.abort(grpc.StatusCode.UNKNOWN, f"{error}\n{hint}" if hint else str(error))

        return grpc.unary_unary_rpc_method_handler(
            tell, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


async def serve(engine_address: str) -> None:
    """Print the port, then serve until the engine ends us."""
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS, interceptors=[PlainErrors()])
    servicer = ProviderServicer([], version("drstack"), DrstackProvider(), engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description="The drstack provider, started by the Pulumi engine.")
    parser.add_argument("engine")
    given, _ = parser.parse_known_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.engine))
