"""The layouts of legacy GGML files, one for each family of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock_ctransformers.modelfile import Splitting

__all__ = ["LAYOUTS", "MAGICS", "Layout"]

MAGICS: Final = {b"lmgg": "", b"fmgg": "ggmf", b"tjgg": "ggjt", b"ccgg": "ggcc"}
"""How files begin; the first has no version behind it."""

_PLAIN: Final[Mapping[str, Sequence[int]]] = {"": ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the files of a family are laid out.

    fields         the numbers at the beginning, four bytes each
    sign           a tensor that this family alone has
    per_layer      tensors in each layer
    versions       the beginnings that it may have, and the versions of each
    counted        the vocabulary is preceded by its size
    scored         each token is followed by a score
    spelled        tokens are written with a character for each byte
    splitting      how text becomes tokens
    asserts_ftype  the library ends the process where `ftype` is none it knows
    variants       other kinds of models that look alike, told by a token that only they have
    """

    model_type: str
    fields: tuple[str, ...]
    sign: bytes
    per_layer: int
    versions: Mapping[str, Sequence[int]] = field(default_factory=lambda: _PLAIN)
    counted: bool = False
    scored: bool = False
    spelled: bool = False
    splitting: Splitting = "words"
    asserts_ftype: bool = True
    variants: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What models of this layout are called."""
        return (self.model_type, *self.variants)

    def told_by(self, pieces: Sequence[bytes]) -> str:
        """Return which of these a model with this vocabulary is."""
        there = set(pieces)
        return next((n for n, piece in self.variants.items() if piece in there), self.model_type)


_GPT: Final = ("vocabulary", "context", "width", "heads", "layers")
_MOSAIC: Final = ("width", "context", "heads", "layers", "vocabulary")

LAYOUTS: Final = (
    Layout(
        model_type="gpt2",
        fields=(*_GPT, "ftype"),
        sign=b"model/wpe",
        per_layer=12,
        counted=True,
        variants={"starcoder": b"<fim_prefix>"},
    ),
    Layout(
        model_type="gptj",
        fields=(*_GPT, "rotary", "ftype"),
        sign=b"transformer.h.0.attn.q_proj.weight",
        per_layer=10,
        counted=True,
    ),
    Layout(
        model_type="gpt_neox",
        fields=(*_GPT, "rotary", "parallel", "ftype"),
        sign=b"gpt_neox.embed_in.weight",
        per_layer=12,
        variants={"dolly-v2": b"### End"},
    ),
    Layout(
        model_type="mpt",
        fields=(*_MOSAIC, "alibi", "clip", "ftype"),
        sign=b"transformer.blocks.0.ffn.up_proj.weight",
        per_layer=6,
        spelled=True,
    ),
    Layout(
        model_type="replit",
        fields=(*_MOSAIC, "ftype"),
        sign=b"transformer.blocks.0.ffn.up_proj.weight",
        per_layer=6,
        scored=True,
        splitting="scores",
    ),
    Layout(
        model_type="llama",
        fields=("vocabulary", "width", "multiple", "heads", "layers", "rotary", "ftype"),
        sign=b"layers.0.attention.wq.weight",
        per_layer=9,
        versions={"": (), "ggmf": (1,), "ggjt": (1, 2, 3)},
        scored=True,
        splitting="library",
        asserts_ftype=False,
    ),
    # Older ones need a second file, and end the process where it is missing.
    Layout(
        model_type="falcon",
        fields=("vocabulary", "width", "heads", "kv", "layers", "kind", "ftype", "merges"),
        sign=b"transformer.word_embeddings.weight",
        per_layer=6,
        versions={"ggcc": (10,)},
        splitting="library",
        asserts_ftype=False,
    ),
)
