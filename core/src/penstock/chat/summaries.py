"""Summaries of what was said, made by the model that it was said to."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from penstock.chat.policies import Summarize, summary_turn
from penstock.chat.turns import cut, turns_of
from penstock.errors import ContextOverflow
from penstock.events import Completion
from penstock.messages import Message
from penstock.streams.generation import Generation

if TYPE_CHECKING:
    from penstock.model import Model

__all__ = ["summarized_by"]

REQUEST = (
    "Summarise the conversation above for somebody who goes on with it. Keep names, facts, "
    "numbers, decisions and open questions. Write only the summary."
)
LENGTH = 256
"""Tokens a summary may have; in a small context, a quarter of it."""


def summarized_by(model: Model) -> Summarize:
    """Return a hook that asks `model` for the summary of its own conversation.

    What is too long to be summarised at once, as what was said to a model with a longer context may
    be, is summarised in two halves, and then their summaries are.
    """

    async def summarize(messages: tuple[Message, ...]) -> str:
        half = len(turns_of(messages)) // 2
        try:
            done = await _asked(model, messages)
            if not half or not _squeezed(done):
                return done.text
        except ContextOverflow:
            if not half:
                raise
        halves = [await summarize(part) for part in cut(messages, half)]
        return (await _asked(model, tuple(chain(*map(summary_turn, halves))))).text

    return summarize


def _squeezed(done: Completion) -> bool:
    """Whether a summary was cut by the context, long before it was as long as it may be."""
    most = done.effective.max_tokens or 0
    return done.finish_reason == "length" and done.usage.completion_tokens < most // 2


def _asked(model: Model, messages: tuple[Message, ...]) -> Generation:
    length = model.info.context_length
    return model.chat(
        (*messages, Message("user", REQUEST)),
        max_tokens=LENGTH if length is None else min(LENGTH, length // 4),
    )
