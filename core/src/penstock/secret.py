"""Secret: a key that nobody sees who does not ask for it."""

from __future__ import annotations

from typing import Final

__all__ = ["Secret"]

_MASK: Final = "***"
_SHORTEST: Final = 6
"""Characters below which a secret is not looked for in texts: it would be found in every word."""


class Secret:
    """A text that prints as `***`, in every way that Python prints a value.

    It is not equal to its text, and cannot be pickled.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """Return `text` with this secret masked wherever it stands."""
        return text.replace(self._text, _MASK) if len(self._text) >= _SHORTEST else text

    def __repr__(self) -> str:
        return _MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled")
