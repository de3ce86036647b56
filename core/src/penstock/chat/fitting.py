"""Fitting: what one call sends of a conversation, and how that gets shorter."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.chat.policies import Await, Fits, Overlong, Shortening
from penstock.chat.turns import Course, turns_of
from penstock.errors import ContextOverflow
from penstock.events import ContextReport
from penstock.messages import Message

__all__ = ["Fitting"]

LEAST_ROOM = 256
"""Tokens kept free for an answer whose length is open, where a policy may shorten its prompt."""

MOST_ROOM = 0.5
"""The share of a context that is kept free for an answer at the most."""

OPEN_ROOM = 0.25
"""The same for an answer whose length is open."""


class Fitting:
    """The messages of one call, shortened by a policy while they are too long.

    Without a policy they are sent as they are, and `ContextOverflow` is the engine's.
    """

    def __init__(
        self,
        messages: Iterable[Message],
        policy: Shortening | None = None,
        *,
        left_out: int = 0,
        instead: tuple[Message, ...] = (),
    ) -> None:
        self.history = tuple(messages)
        self.policy = policy
        self.course = self._begun = Course.of(self.history, left_out=left_out, instead=instead)
        self._roomy = policy is not None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is sent."""
        return self.history if self._whole else self.course.messages

    @property
    def _whole(self) -> bool:
        return self.course is self._begun and not self.course.left_out

    def room(self, context_length: int, max_tokens: int | None) -> int:
        """Return how many tokens are to be free for the answer."""
        if not self._roomy:
            return 0
        if max_tokens is None:
            return min(LEAST_ROOM, int(context_length * OPEN_ROOM))
        return min(max_tokens, int(context_length * MOST_ROOM))

    def shorten(self, overflow: ContextOverflow, fits: Fits | None, wait: Await) -> bool:
        """Make the messages shorter, on a thread that may wait; return whether to try again.

        Where nothing more can be left out, the room for an answer is given up once. If that is not
        enough either, they are again what they were. Raises what a hook raises.
        """
        found = Overlong(self.course, overflow, fits, wait)
        shorter = self.policy and self.policy.shorter(found)
        if shorter:
            self.course = shorter
            return True
        roomy, self._roomy = self._roomy, False
        if roomy and _fits(overflow):
            return True
        self.course = self._begun  # a turn that cannot be sent is no reason to forget the others
        return False

    def report(self) -> ContextReport | None:
        """Tell what is left out; None: nothing."""
        if self._whole:
            return None
        course, all_turns = self.course, turns_of(self.history)
        sent = len(course.messages) - len(course.instead)
        return ContextReport(
            policy="summarize" if self.policy is None else self.policy.name,  # saved with the chat
            messages=max(0, len(self.history) - sent),
            turns=max(0, len(all_turns) - len(course.turns)),
            summary="\n".join(m.content for m in course.instead if m.role != "user"),
        )


def _fits(overflow: ContextOverflow) -> bool:
    prompt, context = overflow.prompt_tokens, overflow.context_length
    return prompt is not None and context is not None and prompt < context
