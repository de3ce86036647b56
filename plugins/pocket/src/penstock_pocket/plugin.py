"""The pocket model as a source: `pocket:`, and what is loaded when no model is named."""

from __future__ import annotations

from penstock import SourceDeclaration, hookimpl


@hookimpl
def penstock_sources() -> tuple[SourceDeclaration, ...]:
    """Offer `pocket:`."""
    return (
        SourceDeclaration(
            scheme="pocket",
            resolve="penstock_pocket.source:resolve",
            stored="penstock_pocket.source:stored",
            default=True,
            summary="a small chat model that ships in this package",
        ),
    )
