"""What this distribution declares to Penstock. Imports no client."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.hookspecs import PresetDeclaration, SourceDeclaration, hookimpl

__all__ = ["penstock_presets", "penstock_sources"]


@hookimpl
def penstock_sources() -> Iterable[SourceDeclaration]:
    """Offer `hf:`, `https:`, `http:`, `ollama:` and `file:`."""
    yield SourceDeclaration(
        scheme="hf",
        resolve="penstock_sources.hub:resolve",
        stored="penstock_sources.hubcache:stored",
        remove="penstock_sources.hubcache:remove",
        summary="a model of the hub: owner/repo, owner/repo:Q4_K_M or owner/repo/file.gguf",
    )
    for scheme in ("https", "http"):
        yield SourceDeclaration(
            scheme=scheme,
            resolve=f"penstock_sources.web:resolve_{scheme}",
            stored=f"penstock_sources.web:stored_{scheme}",
            remove="penstock_sources.web:remove",
            summary="a file of a web server" if scheme == "https" else "the same, on this machine",
        )
    yield SourceDeclaration(
        scheme="ollama",
        resolve="penstock_sources.ollama:resolve",
        stored="penstock_sources.ollama:stored",
        summary="a model that Ollama has pulled, opened where it lies",
    )
    yield SourceDeclaration(
        scheme="file",
        resolve="penstock_sources.files:resolve",
        summary="a file, as a path or as a URL",
    )


@hookimpl
def penstock_presets() -> Iterable[PresetDeclaration]:
    """Offer the names in `presets.toml`."""
    from penstock_sources.presets import presets

    return presets()
