"""The backend under test, and what the checks need to know of it."""

from __future__ import annotations

from collections.abc import Callable

from penstock.backend import AnyEngine
from penstock.loading import Loading
from penstock.messages import PromptLike
from penstock.model import Model
from penstock.request import CallOptions, Deadlines, Policy, Sampling
from penstock.streams.generation import Generation
from penstock.values import dataclass

__all__ = ["Subject", "hosted"]


def hosted(
    engine: AnyEngine,
    *,
    sampling: Sampling | None = None,
    deadlines: Deadlines | None = None,
    unsupported: Policy = "error",
) -> Loading:
    """Put a model around an engine made in code, to be entered with `async with`."""

    async def make() -> AnyEngine:
        return engine

    return Loading(make, sampling=sampling, deadlines=deadlines, unsupported=unsupported)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A backend with a model, as the laws look at it.

    load      loads the model; called anew for every check
    prompt    the greedy answer to it has at least 30 tokens, with different words
    unicode   the greedy answer to it has characters of several bytes, and no U+FFFD
    failing   a generation of it fails after some text; None: a prompt too long is used
    recall    what to say first, what to ask then, and what the answer must hold; None: no check
    chance    a temperature at which two seeds very likely differ
    patience  seconds in which the engine must be free after it was left
    longest   seconds after which a check is taken to hang
    """

    load: Callable[[], Loading]
    prompt: str = "Once upon a time"
    unicode: PromptLike | None = None
    failing: str | None = None
    recall: tuple[str, str, str] | None = None
    chance: float = 1.5
    patience: float = 2.0
    longest: float = 300.0

    def greedy_options(self, model: Model, *, max_tokens: int = 48) -> CallOptions:
        """Return the options under which the model says the same each time."""
        if "temperature" in model.info.capabilities.options:
            return {"max_tokens": max_tokens, "temperature": 0.0}
        return {"max_tokens": max_tokens}

    def greedy(self, model: Model, prompt: PromptLike | None = None) -> Generation:
        """Return a generation that says the same each time."""
        return model.complete(prompt or self.prompt, **self.greedy_options(model))

    def endless(
        self, model: Model, *, max_tokens: int = 2000, deadlines: Deadlines | None = None
    ) -> Generation:
        """Return a generation that goes on as long as the engine lets it."""
        options = self.greedy_options(model, max_tokens=max_tokens)
        if "ignore_eos" in model.info.capabilities.options:
            options["ignore_eos"] = True
        return model.complete(self.prompt, deadlines=deadlines, **options)
