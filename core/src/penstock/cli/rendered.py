"""A conversation as the prompt that a model gets: its text, its tokens, and where BOS is from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from penstock import sync
from penstock.cli.pieces import TokenPiece, pieces_of
from penstock.errors import Unsupported
from penstock.messages import Message, Segment
from penstock.values import dataclass

__all__ = ["Rendered", "rendered"]

Origin: TypeAlias = Literal["template", "engine", "nobody", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a model is asked to continue.

    tokens   None where the engine cannot tell
    pieces   whether they have their pieces
    bos      what the model calls the token that begins a text; empty if it has none
    bos_by   who puts it there
    """

    segments: tuple[Segment, ...]
    tokens: Sequence[TokenPiece] | None
    pieces: bool
    bos: str
    bos_by: Origin

    @property
    def text(self) -> str:
        """The prompt as text."""
        return "".join(segment.text for segment in self.segments)

    def figures(self) -> str:
        """Say how long it is, and where BOS is from."""
        bos = f"BOS {self.bos!r} by the {self.bos_by}"
        if self.bos_by in ("nobody", "unknown"):
            bos = "no BOS" if self.bos_by == "nobody" else "BOS is the server's affair"
        return bos if self.tokens is None else f"{len(self.tokens)} tokens, {bos}"

    def bos_record(self) -> dict[str, str]:
        """Return the decision about BOS as plain data."""
        return {"token": self.bos, "by": self.bos_by}

    def record(self) -> dict[str, Any]:
        """Return all of it as plain data for JSON."""
        record: dict[str, Any] = {
            "prompt": self.text,
            "segments": [{"text": s.text, "control": s.control} for s in self.segments],
            "bos": self.bos_record(),
        }
        if self.tokens is not None:
            record["count"] = len(self.tokens)
            record["ids"] = [piece.id for piece in self.tokens]
        if self.pieces:
            record["pieces"] = self.piece_records()
        return record

    def piece_records(self) -> list[dict[str, Any]]:
        """Return the tokens with their pieces as plain data, if those were asked for."""
        return [piece.record() for piece in self.tokens or ()] if self.pieces else []


def rendered(model: sync.Model, messages: Sequence[Message], *, ids: bool) -> Rendered:
    """Render a conversation with a model's template. Raises what `Model.render` does."""
    segments = model.render(messages)
    bos = model.info.bos_token
    try:
        tokens = model.tokenize(segments)
        begins = model.tokenize([Segment(bos, control=True)])[:1] if bos else []
    except Unsupported:
        by: Origin = "template" if _begins(segments, bos) else "unknown"
        return Rendered(segments=segments, tokens=None, pieces=False, bos=bos, bos_by=by)
    pieces = pieces_of(model, tokens) if ids else [TokenPiece(token) for token in tokens]
    by = "template" if _begins(segments, bos) else "engine"
    if not begins or tokens[:1] != begins:
        by = "nobody"
    return Rendered(segments=segments, tokens=pieces, pieces=ids, bos=bos, bos_by=by)


def _begins(segments: Sequence[Segment], bos: str) -> bool:
    """Whether the template itself begins with BOS."""
    first = segments[0] if segments else Segment("")
    return bool(bos) and first.control and first.text.startswith(bos)
