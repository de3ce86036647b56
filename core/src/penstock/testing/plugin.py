"""The echo backends, registered as any other."""

from __future__ import annotations

from penstock.hookspecs import BackendDeclaration, hookimpl


@hookimpl
def penstock_backends() -> tuple[BackendDeclaration, ...]:
    """Offer both flavours."""
    return (
        BackendDeclaration(
            name="echo",
            factory="penstock.testing.echo:EchoBackend",
            summary="says the prompt back, for tests",
        ),
        BackendDeclaration(
            name="echo-blocking",
            factory="penstock.testing.echo:EchoThreadBackend",
            summary="the same as a blocking engine",
        ),
    )
