"""Law: a number, a title, and the check that shows whether a backend keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from penstock.testing.subject import Subject
from penstock.values import dataclass

__all__ = ["Law", "LawBroken", "require"]


class LawBroken(AssertionError):
    """A backend breaks a law; the message says how."""


@dataclass(frozen=True, slots=True)
class Law:
    """A promise; `look` is how it is looked at."""

    number: int
    title: str
    look: Callable[[Subject], Awaitable[None]]

    async def check(self, subject: Subject) -> None:
        """Raise `LawBroken` where the subject does not keep it, or cannot be looked at for long."""
        with anyio.move_on_after(subject.longest) as scope:
            await self.look(subject)
        require(
            not scope.cancelled_caught,
            f"not done after {subject.longest:g} s: a generation has no end",
        )

    def __str__(self) -> str:
        return f"law {self.number}: {self.title}"


def require(holds: bool, otherwise: str) -> None:
    """Raise `LawBroken` with this sentence unless it holds."""
    if not holds:
        raise LawBroken(otherwise)
