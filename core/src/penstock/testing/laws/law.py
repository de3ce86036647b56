"""Law: a number, a title, and the check that shows whether a backend keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from penstock.testing.subject import Subject

__all__ = ["Law", "LawBroken", "require"]


class LawBroken(AssertionError):
    """A backend breaks a law; the message says how."""


@dataclass(frozen=True, slots=True)
class Law:
    """A promise. `check` raises `LawBroken` where the subject does not keep it."""

    number: int
    title: str
    check: Callable[[Subject], Awaitable[None]]

    def __str__(self) -> str:
        return f"law {self.number}: {self.title}"


def require(holds: bool, otherwise: str) -> None:
    """Raise `LawBroken` with this sentence unless it holds."""
    if not holds:
        raise LawBroken(otherwise)
