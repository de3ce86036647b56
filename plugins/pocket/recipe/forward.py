"""A forward pass in NumPy alone, over the dequantised weights of a GGUF file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a file by name, and the few numbers of its header that a pass needs."""

    tensors: dict[str, Array]
    heads: int
    layers: int
    epsilon: float
    rope_base: float

    def __getitem__(self, name: str) -> Array:
        return self.tensors[f"{name}.weight"]


def read(path: Path) -> Weights:
    """Return the dequantised weights of a GGUF file of the architecture llama."""
    reader = gguf.GGUFReader(path)
    tensors = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in reader.tensors
    }
    return Weights(
        tensors,
        heads=int(_number(reader, "llama.attention.head_count")),
        layers=int(_number(reader, "llama.block_count")),
        epsilon=_number(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_base=_number(reader, "llama.rope.freq_base"),
    )


def _number(reader: gguf.GGUFReader, key: str) -> float:
    found = reader.fields[key].contents()
    if not isinstance(found, (int, float)):
        raise TypeError(f"{key!r} holds {found!r}, not a number")
    return float(found)


def _norm(x: Array, weight: Array, epsilon: float) -> Array:
    scaled: Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(epsilon)) * weight
    return scaled


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    shares: Array = powers / powers.sum(-1, keepdims=True)
    return shares


def _rotate(x: Array, first: int, base: float) -> Array:
    """Turn neighbouring pairs of (position, head, width) by the angle of their position."""
    pairs = np.float32(base) ** -(np.arange(0, x.shape[-1], 2, dtype=np.float32) / x.shape[-1])
    places = np.arange(first, first + len(x), dtype=np.float32)
    angles = np.outer(places, pairs)[:, None, :].astype(np.float32)
    cos, sin = np.cos(angles), np.sin(angles)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = np.stack((even * cos - odd * sin, even * sin + odd * cos), axis=-1)
    return turned.reshape(x.shape).astype(np.float32)


def _rounded(x: Array) -> Array:
    """Round to what blocks of 32 signed bytes with one half-precision scale can hold."""
    blocks = x.reshape(-1, 32)
    scale = np.abs(blocks).max(-1, keepdims=True) / np.float32(127)
    steps = np.rint(blocks / np.where(scale == 0, np.float32(1), scale))
    back: Array = steps * scale.astype(np.float16).astype(np.float32)
    return back.reshape(x.shape)


def _halved(x: Array) -> Array:
    return x.astype(np.float16).astype(np.float32)


def _same(x: Array) -> Array:
    return x


@dataclass(slots=True)
class Pass:
    """A running text: fed with tokens, it returns the logits of the next one.

    ``as_engine`` rounds what is multiplied the way llama.cpp does for Q8_0 weights: inputs of the
    matrices to bytes, keys, values and queries to half precision. Sums still run in another order:
    near ties may fall otherwise. Without it nothing is rounded.
    """

    weights: Weights
    as_engine: bool = False
    keys: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    length: int = 0

    def feed(self, tokens: list[int]) -> Array:
        """Take the tokens in and return the logits after the last of them."""
        w = self.weights
        x = w["token_embd"][tokens]
        for layer in range(w.layers):
            x = x + self._attend(_norm(x, w[f"blk.{layer}.attn_norm"], w.epsilon), layer)
            x = x + self._transform(_norm(x, w[f"blk.{layer}.ffn_norm"], w.epsilon), layer)
        self.length += len(tokens)
        logits: Array = self._multiply(_norm(x[-1:], w["output_norm"], w.epsilon), "output")[0]
        return logits

    def _multiply(self, x: Array, name: str) -> Array:
        product: Array = (_rounded(x) if self.as_engine else x) @ self.weights[name].T
        return product

    def _attend(self, x: Array, layer: int) -> Array:
        w, name = self.weights, f"blk.{layer}.attn"
        halved = _halved if self.as_engine else _same
        q, k, v = (
            self._multiply(x, f"{name}_{part}").reshape(len(x), w.heads, -1) for part in "qkv"
        )
        q, k = (halved(_rotate(part, self.length, w.rope_base)) for part in (q, k))
        k, v = self._remember(layer, k, halved(v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.float32(np.sqrt(q.shape[-1]))
        hidden = np.arange(len(k)) > self.length + np.arange(len(x))[:, None]
        shares = halved(_softmax(np.where(hidden, np.float32(-np.inf), scores)))
        mixed: Array = np.einsum("hqk,khd->qhd", shares, v).reshape(len(x), -1)
        return self._multiply(mixed, f"{name}_output")

    def _remember(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        if layer == len(self.keys):
            self.keys.append(k)
            self.values.append(v)
        else:
            self.keys[layer] = np.concatenate((self.keys[layer], k))
            self.values[layer] = np.concatenate((self.values[layer], v))
        return self.keys[layer], self.values[layer]

    def _transform(self, x: Array, layer: int) -> Array:
        name = f"blk.{layer}.ffn"
        gate = self._multiply(x, f"{name}_gate")
        opened = gate / (1 + np.exp(-gate)) * self._multiply(x, f"{name}_up")
        return self._multiply(opened, f"{name}_down")


@dataclass(frozen=True, slots=True)
class Step:
    """A greedy choice: the token, and how far its logit lies above the second best."""

    token: int
    margin: float


def greedy(running: Pass, prompt: list[int], *, limit: int, end: int) -> list[Step]:
    """Return the greedy continuation of the prompt in a fresh pass, without the ending token."""
    steps = list[Step]()
    logits = running.feed(prompt)
    while len(steps) < limit:
        second, best = np.argsort(logits)[-2:]
        if best == end:
            break
        steps.append(Step(int(best), float(logits[best] - logits[second])))
        logits = running.feed([int(best)])
    return steps
