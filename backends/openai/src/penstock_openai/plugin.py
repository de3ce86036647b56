"""What this distribution declares to Penstock. Imports no client."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.hookspecs import BackendDeclaration, hookimpl

__all__ = ["penstock_backends"]


@hookimpl
def penstock_backends() -> Iterable[BackendDeclaration]:
    """Declare the `openai` backend."""
    yield BackendDeclaration(
        name="openai",
        factory="penstock_openai.backend:OpenAI",
        options="penstock_openai.options:LoadOptions",
        summary="OpenAI, and servers that speak its dialect: vLLM, llama-server, Ollama, …",
    )
