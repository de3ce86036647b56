"""Summaries of what was said, made by the model that it was said to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.chat.policies import Summarize
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
    """Return a hook that asks `model` for the summary of its own conversation."""

    def summarize(messages: tuple[Message, ...]) -> Generation:
        length = model.info.context_length
        return model.chat(
            (*messages, Message("user", REQUEST)),
            max_tokens=LENGTH if length is None else min(LENGTH, length // 4),
        )

    return summarize
