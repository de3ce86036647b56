"""Tiny legacy files of the other families: random weights, in the layouts of 2023."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from .ggml import F32, MAGIC, Floats, tensor, vocabulary

Shapes = Iterator[tuple[str, tuple[int, ...]]]

WIDTH, HEADS, LAYERS, CONTEXT = 32, 4, 2, 96
GGJT = 0x67676A74


def _gptj(count: int) -> Shapes:
    yield "transformer.wte.weight", (count, WIDTH)
    yield from _norm("transformer.ln_f")
    yield from _dense("lm_head", count, WIDTH)
    for layer in range(LAYERS):
        at = f"transformer.h.{layer}"
        yield from _norm(f"{at}.ln_1")
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{at}.attn.{name}.weight", (WIDTH, WIDTH)
        yield from _dense(f"{at}.mlp.fc_in", 4 * WIDTH, WIDTH)
        yield from _dense(f"{at}.mlp.fc_out", WIDTH, 4 * WIDTH)


def _neox(count: int) -> Shapes:
    yield "gpt_neox.embed_in.weight", (count, WIDTH)
    yield from _norm("gpt_neox.final_layer_norm")
    yield "embed_out.weight", (count, WIDTH)
    for layer in range(LAYERS):
        at = f"gpt_neox.layers.{layer}"
        yield from _norm(f"{at}.input_layernorm")
        yield from _norm(f"{at}.post_attention_layernorm")
        yield from _dense(f"{at}.attention.query_key_value", 3 * WIDTH, WIDTH)
        yield from _dense(f"{at}.attention.dense", WIDTH, WIDTH)
        yield from _dense(f"{at}.mlp.dense_h_to_4h", 4 * WIDTH, WIDTH)
        yield from _dense(f"{at}.mlp.dense_4h_to_h", WIDTH, 4 * WIDTH)


def _mosaic(count: int) -> Shapes:
    yield "transformer.wte.weight", (count, WIDTH)
    yield "transformer.norm_f.weight", (WIDTH,)
    for layer in range(LAYERS):
        at = f"transformer.blocks.{layer}"
        yield f"{at}.norm_1.weight", (WIDTH,)
        yield f"{at}.norm_2.weight", (WIDTH,)
        yield f"{at}.attn.Wqkv.weight", (3 * WIDTH, WIDTH)
        yield f"{at}.attn.out_proj.weight", (WIDTH, WIDTH)
        yield f"{at}.ffn.up_proj.weight", (4 * WIDTH, WIDTH)
        yield f"{at}.ffn.down_proj.weight", (WIDTH, 4 * WIDTH)


def _llama(count: int) -> Shapes:
    yield "tok_embeddings.weight", (count, WIDTH)
    yield "norm.weight", (WIDTH,)
    yield "output.weight", (count, WIDTH)
    for layer in range(LAYERS):
        at = f"layers.{layer}"
        yield f"{at}.attention_norm.weight", (WIDTH,)
        yield f"{at}.ffn_norm.weight", (WIDTH,)
        for name in ("wq", "wk", "wv", "wo"):
            yield f"{at}.attention.{name}.weight", (WIDTH, WIDTH)
        for name, shape in (("w1", (96, WIDTH)), ("w2", (WIDTH, 96)), ("w3", (96, WIDTH))):
            yield f"{at}.feed_forward.{name}.weight", shape


def _norm(name: str) -> Shapes:
    yield f"{name}.weight", (WIDTH,)
    yield f"{name}.bias", (WIDTH,)


def _dense(name: str, rows: int, columns: int) -> Shapes:
    yield f"{name}.weight", (rows, columns)
    yield f"{name}.bias", (rows,)


FAMILIES: Mapping[str, Callable[[int], Shapes]] = {
    "gptj": _gptj, "gpt_neox": _neox, "dolly-v2": _neox, "mpt": _mosaic, "replit": _mosaic,
    "llama": _llama,
}  # fmt: skip


def write(path: Path, family: str) -> Path:
    """Write a model of a family: what it begins with, its words, its tensors."""
    words = _words(family)
    with path.open("wb") as file:
        file.write(_numbers(family, len(words)))
        for at, word in enumerate(words):
            file.write(struct.pack("<i", len(word)) + word)
            if family in ("replit", "llama"):
                file.write(struct.pack("<f", -float(at)))
        draw = np.random.default_rng(0)
        for name, shape in FAMILIES[family](len(words)):
            data = tensor(name, _values(name, shape, draw), F32)
            if family == "llama":
                head = len(data) - 4 * int(np.prod(shape))
                data = data[:head] + bytes(-(file.tell() + head) & 31) + data[head:]
            file.write(data)
    return path


def _words(family: str) -> list[bytes]:
    words = vocabulary()
    if family == "dolly-v2":
        return [*words, b"### End", b"### Instruction:", b"### Response:"]
    if family == "mpt":  # a character for each byte
        return [word.decode("latin-1").encode() for word in words]
    if family == "replit":
        return [b"<unk>", *(word.replace(b" ", "\u2581".encode()) for word in words)]
    return [b"<unk>", b"<s>", b"</s>", *words] if family == "llama" else words


def _numbers(family: str, count: int) -> bytes:
    gpt = (count, CONTEXT, WIDTH, HEADS, LAYERS, WIDTH // HEADS)
    mosaic = (WIDTH, CONTEXT, HEADS, LAYERS, count)
    if family == "gptj":
        return struct.pack("<I8i", MAGIC, *gpt, F32, count)
    if family == "mpt":
        return struct.pack("<I5i2fi", MAGIC, *mosaic, 8.0, 0.0, F32)
    if family == "replit":
        return struct.pack("<I6i", MAGIC, *mosaic, F32)
    if family == "llama":
        rest = (count, WIDTH, 96, HEADS, LAYERS, WIDTH // HEADS, F32)
        return struct.pack("<Ii7i", GGJT, 3, *rest)
    return struct.pack("<I8i", MAGIC, *gpt, 1, F32)


def _values(name: str, shape: tuple[int, ...], draw: np.random.Generator) -> Floats:
    if len(shape) == 1:
        return np.full(shape, 0.0 if name.endswith("bias") else 1.0, np.float32)
    loud = 6.0 if "wte" in name or "embed" in name else 1.0
    return draw.standard_normal(shape, np.float32) * np.float32(loud / np.sqrt(shape[-1]))
