"""GGUF models of real shapes with random weights: what an engine does with them costs the same.

    python -m benchmarks.models 25m 125m 1500m

They are quantised as `llama-quantize` does for Q4_0: Q4_0 all over, and the embedding, which is
the output too, Q6_K, or Q8_0 where its width is no multiple of 256. The blocks are drawn, not
computed, so that the largest is written in seconds and takes little memory. Nothing that ends a
text, and no single byte, is ever likely: their rows in the embedding are 0.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray

from benchmarks.vocabulary import BOS, CHAT_TEMPLATE, EOS, special, vocabulary

BUILD = Path(__file__).parents[1] / ".build" / "benchmarks"

Blocks = NDArray[np.uint8]
_SPREAD = {Kind.Q4_0: 4.18, Kind.Q8_0: 73.9, Kind.Q6_K: 18.47 * 32}
"""The standard deviation of a weight whose block has the scale 1."""

_EMBEDDED = 0.02
_SHARPNESS = 1.6
"""Queries and keys are larger by this, so that attention looks at few places, and each next token
depends on all before it: a text does not fall into a loop of one token."""

_LOUDNESS = 8.0
"""The weight of the last norm: logits spread as far as those of a trained model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a llama model is made of. Where it is `tied`, its embedding is its output too."""

    vocabulary: int
    width: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    context: int = 16384
    tied: bool = True

    @property
    def kv_width(self) -> int:
        return self.width // self.heads * self.kv_heads


SHAPES = {
    "25m": Shape(vocabulary=32_000, width=384, layers=8, hidden=1024, heads=6, kv_heads=6),
    # Engines of 2023 want a matrix for the output.
    "25m-untied": Shape(
        vocabulary=32_000, width=384, layers=8, hidden=1024, heads=6, kv_heads=6, tied=False
    ),
    "125m": Shape(vocabulary=32_000, width=768, layers=12, hidden=2560, heads=12, kv_heads=12),
    "1500m": Shape(vocabulary=128_256, width=2048, layers=20, hidden=8192, heads=32, kv_heads=8),
    "8b": Shape(vocabulary=128_256, width=4096, layers=32, hidden=14336, heads=32, kv_heads=8),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One matrix (rows, columns) or, without columns, a vector of equal numbers."""

    name: str
    kind: Kind
    rows: int
    columns: int = 0
    deviation: float = 1.0

    def bytes(self) -> int:
        block, size = gguf.GGML_QUANT_SIZES[self.kind]
        return self.rows * max(1, self.columns) // block * size

    def draw(self, random: np.random.Generator) -> NDArray[np.float32] | Blocks:
        if not self.columns:
            return np.full(self.rows, self.deviation, np.float32)
        block, size = gguf.GGML_QUANT_SIZES[self.kind]
        shape = (self.rows, self.columns // block, size)
        data = random.integers(0, 256, shape, np.uint8)
        scale = np.array([self.deviation / _SPREAD[self.kind]], np.float16).view(np.uint8)
        if self.kind is Kind.Q6_K:  # 192 bytes of values, 16 small scales, the scale
            data[:, :, 192:208] = 32
            data[:, :, 208:] = scale
        else:
            data[:, :, :2] = scale
        if self.kind is Kind.Q4_0:
            data[:, :, 2:] = _nibbles()[data[:, :, 2:]]
        return data.reshape(self.rows, -1)


def path(name: str) -> Path:
    """Return the file of the model `name`, one of `SHAPES`, written if it is not there."""
    target = BUILD / f"{name}.gguf"
    if not target.exists():
        write(target, SHAPES[name])
    return target


def write(target: Path, shape: Shape, seed: int = 0) -> None:
    """Write a model, one tensor at a time; the file is whole or absent at any time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    writer = gguf.GGUFWriter(fresh, "llama")
    _describe(writer, target.stem, shape)
    _add_vocabulary(writer, shape.vocabulary)
    found = list(tensors(shape))
    for tensor in found:
        size = (tensor.rows, tensor.columns) if tensor.columns else (tensor.rows,)
        # The dtype is unused where the kind is given.
        writer.add_tensor_info(
            tensor.name, size, np.dtype(np.float32), tensor.bytes(), raw_dtype=tensor.kind
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(seed)
    for tensor in found:
        writer.write_tensor_data(_silenced(tensor, tensor.draw(random)))
    writer.close()
    fresh.replace(target)


def tensors(shape: Shape) -> Iterator[Tensor]:
    """Yield what a model of this shape is made of."""
    wide = Kind.Q6_K if shape.width % 256 == 0 else Kind.Q8_0
    yield Tensor("token_embd.weight", wide, shape.vocabulary, shape.width, _EMBEDDED)
    for layer in range(shape.layers):
        yield from _layer(f"blk.{layer}", shape)
    yield Tensor("output_norm.weight", Kind.F32, shape.width, 0, _LOUDNESS)
    if not shape.tied:
        yield Tensor("output.weight", wide, shape.vocabulary, shape.width, _EMBEDDED)


def _layer(at: str, shape: Shape) -> Iterator[Tensor]:
    def matrix(name: str, rows: int, columns: int, factor: float = 1.0) -> Tensor:
        return Tensor(f"{at}.{name}.weight", Kind.Q4_0, rows, columns, factor / sqrt(columns))

    width, hidden = shape.width, shape.hidden
    yield Tensor(f"{at}.attn_norm.weight", Kind.F32, width)
    yield matrix("attn_q", width, width, _SHARPNESS)
    yield matrix("attn_k", shape.kv_width, width, _SHARPNESS)
    yield matrix("attn_v", shape.kv_width, width)
    yield matrix("attn_output", width, width)
    yield Tensor(f"{at}.ffn_norm.weight", Kind.F32, width)
    yield matrix("ffn_gate", hidden, width)
    yield matrix("ffn_up", hidden, width)
    yield matrix("ffn_down", width, hidden)


def _nibbles() -> Blocks:
    """Return for each byte the same with the nibble 8 (the weight 0) for 0 (-8, and there is no 8).

    The mean of the weights must be 0: else each layer adds the same vector, and drowns the text.
    """
    high, low = (np.where(half == 0, 8, half) for half in np.divmod(np.arange(256), 16))
    return (high * 16 + low).astype(np.uint8)


def _silenced(tensor: Tensor, data: NDArray[np.float32] | Blocks) -> NDArray[np.float32] | Blocks:
    if tensor.name in ("token_embd.weight", "output.weight"):
        data[: len(special())] = 0
    return data


def _describe(writer: gguf.GGUFWriter, name: str, shape: Shape) -> None:
    writer.add_name(f"random {name}")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(10_000.0)


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    pieces, scores, kinds = zip(*vocabulary(size), strict=True)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(CHAT_TEMPLATE)


if __name__ == "__main__":
    for name in sys.argv[1:] or ("25m", "125m", "1500m"):
        print(path(name))
