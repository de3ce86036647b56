"""An echo that says it can be bound: what its script says is taken for an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from penstock.loading import Loading
from penstock.request import ENGINE_OPTIONS
from penstock.testing import EchoEngine, hosted
from penstock.testing.echo import Step

__all__ = ["answering"]


def answering(*steps: Step, engine: type = EchoEngine, **settings: object) -> Loading:
    """Return a model whose every answer is these steps, whatever binds it."""
    made = engine(lambda request: _each(steps))
    able = replace(made.info.capabilities, options=ENGINE_OPTIONS)
    made.info = replace(made.info, capabilities=able)
    return hosted(made, **settings)


def _each(steps: Iterable[Step]) -> Iterable[Step]:
    return (replace(step) if hasattr(step, "tokens") else step for step in steps)
