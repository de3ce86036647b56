"""Legacy GGML files made for tests: a tiny GPT-2 of random weights, in the layout of 2023."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MAGIC = 0x67676D6C
F32, F16 = 0, 1
WORDS = (
    " the",
    " cat",
    " sat",
    " on",
    " a",
    " mat",
    "ing",
    "th",
    "他",
    " 👋",
    "Hello",
    "<|endoftext|>",
)


def vocabulary(words: Sequence[str] = WORDS) -> list[bytes]:
    """Return all bytes, and some words."""
    return [bytes([byte]) for byte in range(256)] + [word.encode() for word in words]


def write_gpt2(
    path: Path,
    *,
    words: Sequence[bytes] | None = None,
    context: int = 128,
    width: int = 32,
    heads: int = 4,
    layers: int = 2,
    kind: int = F16,
    seed: int = 0,
) -> Path:
    """Write a GPT-2 of random weights: the numbers, the vocabulary, and the tensors."""
    tokens = vocabulary() if words is None else words
    count = len(tokens)
    with path.open("wb") as file:
        file.write(struct.pack("<I6i", MAGIC, count, context, width, heads, layers, kind))
        file.write(struct.pack("<i", count))
        for token in tokens:
            file.write(struct.pack("<i", len(token)) + token)
        for name, values in tensors(count, context, width, layers, np.random.default_rng(seed)):
            file.write(tensor(name, values, kind if matrix(name) else F32))
    return path


def matrix(name: str) -> bool:
    """Whether a tensor is a matrix that may be of the file's own type."""
    return name.endswith(("/w", "wte", "lm_head"))


def tensor(name: str, values: Floats, kind: int) -> bytes:
    """Return a tensor with what is told of it; the row length comes first."""
    shape = values.shape[::-1]
    head = struct.pack(f"<3i{len(shape)}i", len(shape), len(name), kind, *shape) + name.encode()
    return head + values.astype(np.float16 if kind == F16 else np.float32).tobytes()


def tensors(
    count: int, context: int, width: int, layers: int, draw: np.random.Generator
) -> Iterator[tuple[str, Floats]]:
    """Yield the tensors of a GPT-2: norms are near 1, all else is drawn."""

    def drawn(*shape: int) -> Floats:
        return draw.standard_normal(shape, np.float32) / np.float32(np.sqrt(shape[-1]))

    def norm(name: str) -> Iterator[tuple[str, Floats]]:
        yield f"{name}/g", np.ones(width, np.float32)
        yield f"{name}/b", np.zeros(width, np.float32)

    yield from norm("model/ln_f")
    yield "model/wte", drawn(count, width) * 6
    yield "model/wpe", drawn(context, width)
    for layer in range(layers):
        at = f"model/h{layer}"
        yield from norm(f"{at}/ln_1")
        yield from norm(f"{at}/ln_2")
        for part, rows, columns in (
            ("attn/c_attn", 3 * width, width),
            ("attn/c_proj", width, width),
            ("mlp/c_fc", 4 * width, width),
            ("mlp/c_proj", width, 4 * width),
        ):
            yield f"{at}/{part}/w", drawn(rows, columns)
            yield f"{at}/{part}/b", drawn(rows)
