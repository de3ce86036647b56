"""Summaries of what was said, made by the model that it was said to."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from penstock.chat.policies import Summarize, summary_turn
from penstock.chat.turns import Turn, cut, turns_of
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
SHORT = 100
"""Characters of a text that is not cut in two to be summarised."""


def summarized_by(model: Model) -> Summarize:
    """Return a hook that asks `model` for the summary of its own conversation.

    What is too long to be summarised at once, as what was said to a model with a longer context may
    be, or an answer that filled the context, is summarised in two halves, and then their summaries
    are.
    """

    async def summarize(messages: tuple[Message, ...]) -> str:
        halves = _halves(messages)
        try:
            done = await _asked(model, messages)
            if not halves or not _squeezed(done):
                return done.text
        except ContextOverflow:
            if not halves:
                raise
        parts = [await summarize(half) for half in halves]
        return (await _asked(model, tuple(chain(*map(summary_turn, parts))))).text

    return summarize


def _halves(messages: tuple[Message, ...]) -> tuple[Turn, ...]:
    """Return two halves of turns, or one turn twice, each time with half of its longest text.

    Nothing, if that is short.
    """
    if half := len(turns_of(messages)) // 2:
        return cut(messages, half)
    at = max(range(len(messages)), key=lambda at: len(messages[at].content))
    text = messages[at].content
    if len(text) < SHORT:
        return ()
    middle = len(text) // 2
    return tuple(
        (*messages[:at], replace(messages[at], content=part), *messages[at + 1 :])
        for part in (text[:middle], text[middle:])
    )


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
