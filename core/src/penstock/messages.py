"""Messages of a conversation, and the marked segments a prompt is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from penstock.errors import UsageError

__all__ = ["Message", "MessageLike", "PromptLike", "Role", "Segment", "as_messages", "as_segments"]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: who says it, and its text."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt.

    Where `control` is True, the engine reads control tokens such as `<|user|>` in `text`; elsewhere
    the same characters are ordinary text, so that nothing a user types can become a control token.
    """

    text: str
    control: bool = False


MessageLike: TypeAlias = Message | Mapping[str, str]
PromptLike: TypeAlias = str | Iterable[Segment]


def as_messages(messages: Iterable[MessageLike]) -> tuple[Message, ...]:
    """Return `messages` as `Message` values; plain `{"role", "content"}` mappings are accepted.

    Raises `UsageError`, naming position and value, for an unknown role, a missing or extra key,
    content that is not text, or an empty conversation.
    """
    found = tuple(_as_message(message, at) for at, message in enumerate(messages))
    if not found:
        raise UsageError("a chat needs at least one message", hint="Pass a message of role 'user'")
    return found


def as_segments(prompt: PromptLike) -> tuple[Segment, ...]:
    """Return `prompt` as segments; a plain string is one segment without control tokens.

    Raises `UsageError` where the prompt is neither text nor segments.
    """
    if isinstance(prompt, str):
        return (Segment(prompt),)
    segments = tuple(prompt)
    for segment in segments:
        if not isinstance(segment, Segment):
            raise UsageError(f"a prompt is text or segments, not {segment!r}")
    return segments


def _as_message(message: object, at: int) -> Message:
    if isinstance(message, Message):
        return _checked(message, at)
    if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
        raise UsageError(
            f"message {at} is {message!r}", hint="A message has the keys 'role' and 'content'"
        )
    return _checked(Message(message["role"], message["content"]), at)


def _checked(message: Message, at: int) -> Message:
    if message.role not in ROLES:
        raise UsageError(
            f"message {at} has the role {message.role!r}", hint=f"Roles are {', '.join(ROLES)}"
        )
    if not isinstance(message.content, str):
        raise UsageError(f"message {at} has the content {message.content!r}, which is not text")
    return message
