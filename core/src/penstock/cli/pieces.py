"""Tokens, and the text that each stands for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock import sync
from penstock.values import dataclass

__all__ = ["TokenPiece", "pieces_of"]


@dataclass(frozen=True, slots=True)
class TokenPiece:
    """A token, and the bytes it stands for, which may be half a character.

    A control token stands for none.
    """

    id: int
    data: bytes = b""

    def shown(self) -> str:
        """Return the piece in quotes; bytes that are no text are shown as they are written."""
        if not self.data:
            return "(control)"
        try:
            return repr(self.data.decode())
        except UnicodeDecodeError:
            return repr(self.data)

    def record(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        text = self.data.decode("utf-8", "replace")
        return {"id": self.id, "text": text, "bytes": list(self.data)}


def pieces_of(model: sync.Model, ids: Iterable[int]) -> list[TokenPiece]:
    """Return the tokens of `ids` with their pieces. Raises `Unsupported` as `detokenize` does."""
    return [TokenPiece(token, model.detokenize([token])) for token in ids]
