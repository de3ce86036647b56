"""What is known of a model file before the library opens it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["ModelFile", "Splitting", "Words"]

Splitting: TypeAlias = Literal["words", "scores", "library"]
"""How text becomes tokens: in words as with GPT-2, so that the sum of scores is the greatest, or by
the library's own function."""


@dataclass(frozen=True, slots=True)
class Words:
    """The vocabulary of a file.

    pieces       the bytes of each token; control tokens have none
    control      the texts that stand for control tokens, and their ids
    own          texts that are one token wherever they stand, and their ids
    bos, eos     the tokens that begin and end a text, -1 for none
    ends         all tokens that end a text
    adds_bos     whether a prompt begins with `bos`
    adds_space   whether text begins with a space that is no part of it
    splitting    how text becomes tokens
    scores       of each token, where it is by these
    prefixed     whether the library's function puts that space there itself
    """

    pieces: tuple[bytes, ...]
    control: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)
    bos: int = -1
    eos: int = -1
    ends: tuple[int, ...] = ()
    adds_bos: bool = False
    adds_space: bool = False
    splitting: Splitting = "library"
    scores: tuple[float, ...] = ()
    prefixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model file that was read and found whole.

    legacy      whether it is GGML rather than GGUF
    model_type  what the library calls it
    context     tokens it was trained with
    width, heads, kv_heads, layers   its shape
    quantisation  of its matrices
    """

    path: Path
    name: str
    legacy: bool
    model_type: str
    architecture: str
    context: int
    width: int
    heads: int
    kv_heads: int
    layers: int
    quantisation: str
    words: Words
    template: str | None = None

    @property
    def bytes(self) -> int:
        """How large the file is."""
        return self.path.stat().st_size

    @property
    def bytes_per_token(self) -> int:
        """How much memory the keys and values of a token take; F32 at the most."""
        each = 4 if self.legacy else 2
        return 2 * each * self.layers * self.width * self.kv_heads // self.heads
