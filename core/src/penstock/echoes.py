"""The echo backends, offered as any plugin offers its own; what they need stays unimported."""

from __future__ import annotations

from penstock.hookspecs import BackendDeclaration, hookimpl

__all__ = ["penstock_backends"]


@hookimpl
def penstock_backends() -> tuple[BackendDeclaration, ...]:
    """Offer all flavours."""
    return (
        BackendDeclaration(
            name="echo",
            factory="penstock.testing.echo:EchoBackend",
            options="penstock.testing.echo:EchoOptions",
            summary="says the prompt back, for tests",
        ),
        BackendDeclaration(
            name="echo-blocking",
            factory="penstock.testing.echo:EchoThreadBackend",
            options="penstock.testing.echo:EchoOptions",
            summary="the same as a blocking engine",
        ),
        BackendDeclaration(
            name="echo-batching",
            factory="penstock.testing.echo_batch:EchoBatchBackend",
            options="penstock.testing.echo:EchoOptions",
            summary="the same as a batching engine",
        ),
    )
