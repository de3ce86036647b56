"""What a vocabulary must tell, so that answers in its tokens can be bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Words"]


class Words(Protocol):
    """A vocabulary, as guides look at it. It may raise `ModelClosed`."""

    @property
    def size(self) -> int:
        """How many tokens there are."""

    @property
    def bos(self) -> int:
        """The token that begins a text, -1 for none."""

    @property
    def ends(self) -> Sequence[int]:
        """The tokens that end a text."""

    @property
    def suppressed(self) -> Sequence[int]:
        """The tokens that must never be generated."""

    def all_pieces(self) -> Sequence[bytes]:
        """Return the bytes of every token; those without text have none."""

    def continue_with(self, text: str) -> list[int]:
        """Return the ids of `text` as they are in the middle of a text."""
