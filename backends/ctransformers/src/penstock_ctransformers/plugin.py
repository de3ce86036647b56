"""What this distribution declares to Penstock. Imports no engine."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.hookspecs import BackendDeclaration, hookimpl

__all__ = ["penstock_backends"]


@hookimpl
def penstock_backends() -> Iterable[BackendDeclaration]:
    """Declare the `ctransformers` backend."""
    yield BackendDeclaration(
        name="ctransformers",
        factory="penstock_ctransformers.backend:CTransformers",
        options="penstock_ctransformers.options:LoadOptions",
        formats=("gguf", "ggml", "bin"),
        priority=10,
        summary="ctransformers in this process: legacy GGML models, GGUF models of 2023",
    )
