"""The turns of a conversation, and what is sent of them."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.messages import Message
from penstock.values import dataclass

__all__ = ["Course", "Turn", "cut", "turns_of"]

Turn = tuple[Message, ...]
"""What a user says and all that follows from it: answers, calls of tools, their results."""


def turns_of(messages: Iterable[Message]) -> tuple[Turn, ...]:
    """Return the turns of a conversation. Messages of role `system` are in none of them.

    What comes before the first message of a user is a turn too.
    """
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "system":
            continue
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return tuple(map(tuple, turns))


def cut(messages: tuple[Message, ...], turns: int) -> tuple[tuple[Message, ...], Turn]:
    """Return what is left without the last `turns` turns, and these."""
    count = sum(map(len, turns_of(messages)[-turns:]))
    kept = list(messages)
    taken: list[Message] = []
    for at in range(len(messages) - 1, -1, -1):
        if len(taken) < count and messages[at].role != "system":
            taken.append(kept.pop(at))
    return tuple(kept), tuple(reversed(taken))


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is sent of a conversation: all of it, or its last turns and what stands for the rest.

    system    its messages of role `system`; they are always sent
    turns     the turns that are sent; the last one always is
    left_out  how many turns before them are not
    instead   what is sent in their place
    """

    system: tuple[Message, ...]
    turns: tuple[Turn, ...]
    left_out: int = 0
    instead: tuple[Message, ...] = ()

    @classmethod
    def of(
        cls, messages: Iterable[Message], *, left_out: int = 0, instead: tuple[Message, ...] = ()
    ) -> Course:
        """Return the course of `messages`, without its first `left_out` turns."""
        messages = tuple(messages)
        return cls(
            system=tuple(message for message in messages if message.role == "system"),
            turns=turns_of(messages)[left_out:],
            left_out=left_out,
            instead=instead,
        )

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is sent."""
        said = (message for turn in self.turns for message in turn)
        return (*self.system, *self.instead, *said)

    def without(self, count: int, instead: tuple[Message, ...] = ()) -> Course:
        """Return this course with `count` turns fewer, and `instead` in the place of the lost."""
        return Course(
            system=self.system,
            turns=self.turns[count:],
            left_out=self.left_out + count,
            instead=instead,
        )
