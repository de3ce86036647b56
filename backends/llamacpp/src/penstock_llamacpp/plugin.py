"""What this distribution declares to Penstock. Imports no engine."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.hookspecs import BackendDeclaration, hookimpl

__all__ = ["penstock_backends"]


@hookimpl
def penstock_backends() -> Iterable[BackendDeclaration]:
    """Declare the `llamacpp` backend."""
    yield BackendDeclaration(
        name="llamacpp",
        factory="penstock_llamacpp.backend:LlamaCpp",
        options="penstock_llamacpp.options:LoadOptions",
        formats=("gguf",),
        priority=100,
        summary="llama.cpp in this process: GGUF models on CPU, Metal or CUDA",
    )
