"""Messages of a conversation, and the marked segments a prompt is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, get_args

from penstock.errors import UsageError
from penstock.tools import ToolCall
from penstock.values import dataclass

__all__ = ["Message", "MessageLike", "PromptLike", "Role", "Segment", "as_messages", "as_segments"]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: who says it, and its text.

    tool_calls    the calls that the assistant asked for with it
    tool_call_id  of a message of role `tool`: the call that its text is the result of
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt.

    Where `control` is True, the engine reads control tokens such as `<|user|>` in `text`; elsewhere
    the same characters are ordinary text, so that nothing a user types can become a control token.
    """

    text: str
    control: bool = False


MessageLike: TypeAlias = Message | Mapping[str, object]
PromptLike: TypeAlias = str | Iterable[Segment]


def as_messages(messages: Iterable[MessageLike]) -> tuple[Message, ...]:
    """Return `messages` as `Message` values; plain `{"role", "content"}` mappings are accepted.

    They may have the keys `tool_calls` and `tool_call_id` too.

    Raises `UsageError`, naming position and value, for an unknown role, a missing or extra key,
    content that is not text, an empty conversation, or a single message or text.
    """
    if isinstance(messages, str | Mapping | Message) or not isinstance(messages, Iterable):
        raise UsageError(f"the messages are {messages!r:.200}", hint=_SEVERAL)
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
    try:
        segments = tuple(prompt)
    except TypeError as error:
        raise _no_prompt(prompt) from error
    for segment in segments:
        if not isinstance(segment, Segment):
            raise _no_prompt(segment)
    return segments


def _no_prompt(given: object) -> UsageError:
    hint = "Messages go to `model.chat`"
    return UsageError(f"a prompt is text or segments, not {given!r:.200}", hint=hint)


_SEVERAL = (
    "Give a list of {'role': 'user', 'content': …}; "
    "a text alone goes to `model.complete`, or to `model.session().send`"
)
_KEYS = {"role", "content", "tool_calls", "tool_call_id"}


def _as_message(message: object, at: int) -> Message:
    if isinstance(message, Message):
        return _checked(message, at)
    if not isinstance(message, Mapping) or not {"role", "content"} <= set(message) <= _KEYS:
        raise UsageError(
            f"message {at} is {message!r}", hint="A message has the keys 'role' and 'content'"
        )
    calls = message.get("tool_calls") or ()
    calls = tuple(calls) if isinstance(calls, Iterable) else calls
    made = Message(message["role"], message["content"], calls, message.get("tool_call_id"))
    return _checked(made, at)


def _checked(message: Message, at: int) -> Message:
    if message.role not in ROLES:
        raise UsageError(
            f"message {at} has the role {message.role!r}", hint=f"Roles are {', '.join(ROLES)}"
        )
    if not isinstance(message.content, str):
        raise UsageError(f"message {at} has the content {message.content!r}, which is not text")
    if not _are_calls(message.tool_calls):
        raise UsageError(
            f"message {at} has the tool calls {message.tool_calls!r}", hint="Give `ToolCall`s"
        )
    if not isinstance(message.tool_call_id, str | None):
        raise UsageError(f"message {at} has the tool call id {message.tool_call_id!r}")
    return message


def _are_calls(calls: object) -> bool:
    return isinstance(calls, tuple | list) and all(isinstance(call, ToolCall) for call in calls)
