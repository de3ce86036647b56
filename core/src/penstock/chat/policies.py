"""Context policies: what becomes of a conversation that is too long for its model."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Literal, Protocol, TypeAlias, get_args

from penstock.chat.turns import Course, Turn
from penstock.errors import ContextOverflow, UsageError
from penstock.events import Completion
from penstock.messages import Message, MessageLike, as_messages
from penstock.values import dataclass

__all__ = [
    "Await",
    "ContextName",
    "ContextPolicy",
    "Fits",
    "Overlong",
    "Shorten",
    "Shortening",
    "Summarize",
    "policy_of",
    "summary_turn",
]

Said: TypeAlias = str | Completion | Iterable[MessageLike]
Summarize: TypeAlias = Callable[[tuple[Message, ...]], Said | Awaitable[Said]]
"""Takes the messages to be replaced; returns a text, or the messages that replace them."""

Shorten: TypeAlias = Callable[
    [tuple[Message, ...], ContextOverflow],
    Iterable[MessageLike] | Awaitable[Iterable[MessageLike]],
]
"""Takes the messages that are too long, and how; returns fewer, or shorter ones."""

ContextName: TypeAlias = Literal["error", "drop_oldest", "summarize"]
ContextPolicy: TypeAlias = ContextName | Shorten
NAMES: Final[tuple[str, ...]] = get_args(ContextName)

QUESTION = "Summarise our conversation so far."
"""What a summary answers, so that templates which want user and assistant to alternate take it."""

Fits: TypeAlias = Callable[[tuple[Message, ...]], bool]
Await: TypeAlias = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Overlong:
    """A conversation that is too long, and what helps to shorten it.

    fits  tells of messages whether they are short enough; None: only the engine can
    wait  returns a value, or what an awaitable gives, waiting for it
    """

    course: Course
    overflow: ContextOverflow
    fits: Fits | None
    wait: Await


class Shortening(Protocol):
    """Makes conversations shorter, on a thread that may wait."""

    name: str

    def shorter(self, found: Overlong) -> Course | None:
        """Return a shorter course, or None where it cannot be."""


def policy_of(
    context: ContextPolicy, summarize: Summarize | None, otherwise: Summarize
) -> Shortening | None:
    """Return the policy that is asked for; None is `error`.

    `otherwise` makes summaries where no hook is given. Raises `UsageError`.
    """
    if summarize is not None and context != "summarize":
        raise UsageError("summarize is given", hint="Set context='summarize' with it")
    if context == "error":
        return None
    if context == "drop_oldest":
        return DropOldest()
    if context == "summarize":
        return Summarizing(summarize or otherwise)
    if callable(context):
        return Custom(context)
    raise UsageError(f"context={context!r}", hint=f"It is one of {', '.join(NAMES)}, or a callable")


class DropOldest:
    """Leaves the oldest turns out, as few as needed."""

    name = "drop_oldest"

    def shorter(self, found: Overlong) -> Course | None:
        course, fits = found.course, found.fits
        most = len(course.turns) - 1
        if most < 1:
            return None
        if fits is None:
            return course.without(1, course.instead)
        enough = bisect_left(
            range(most), True, key=lambda at: fits(course.without(at + 1, course.instead).messages)
        )
        return course.without(min(enough + 1, most), course.instead)


class Summarizing:
    """Puts a summary in the place of the older half of the turns, and of the summary before."""

    name = "summarize"

    def __init__(self, hook: Summarize) -> None:
        self._hook = hook

    def shorter(self, found: Overlong) -> Course | None:
        course = found.course
        count = len(course.turns) // 2
        if count < 1:
            return None
        replaced = tuple(message for turn in course.turns[:count] for message in turn)
        return course.without(count, _instead(found.wait(self._hook((*course.instead, *replaced)))))


class Custom:
    """Asks a callable of the user's."""

    def __init__(self, hook: Shorten) -> None:
        self.name = getattr(hook, "__name__", type(hook).__name__)
        self._hook = hook

    def shorter(self, found: Overlong) -> Course | None:
        before = found.course.messages
        messages = _messages(found.wait(self._hook(before, found.overflow)), self.name)
        return Course.of(messages) if _size(messages) < _size(before) else None


def _instead(said: object) -> Turn:
    if isinstance(said, Completion):
        said = said.text
    if not isinstance(said, str):
        return _messages(said, "summarize")
    return summary_turn(said)


def summary_turn(said: str) -> Turn:
    """Return what is sent for a summary: a question, and the summary as its answer."""
    return (Message("user", QUESTION), Message("assistant", said))


def _messages(said: object, name: str) -> tuple[Message, ...]:
    if not isinstance(said, Iterable) or isinstance(said, str):
        raise UsageError(f"{name} returned {said!r:.200}", hint="It returns messages")
    return as_messages(said)


def _size(messages: tuple[Message, ...]) -> int:
    """How long messages are, in characters, each counted as one more."""
    return sum(
        1 + len(message.content) + sum(len(call.arguments) for call in message.tool_calls)
        for message in messages
    )
