"""The network: a small llama, with rotary positions on neighbouring pairs as GGUF files have it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .shape import Shape


def rotations(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angle of every pair at every position."""
    pairs = torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_base**-pairs)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbours (2i, 2i+1) by its angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2)


class Attention(nn.Module):
    """Causal self-attention inside each document of a row."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, shape.width, bias=False)
        self.v = nn.Linear(shape.width, shape.width, bias=False)
        self.o = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """Mix the positions that the mask allows."""
        q, k, v = (self._split(project(x)) for project in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward part, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """Return the row after this layer."""
        x = x + self.attention(self.attention_norm(x), cos, sin, mask)
        y = self.ffn_norm(x)
        out: Tensor = self.down(functional.silu(self.gate(y)) * self.up(y))
        return x + out


class Network(nn.Module):
    """Token ids in, logits out; the output matrix is not the embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("o.weight", "down.weight"))
                deviation = 0.02 / (2 * self.shape.layers) ** 0.5 if last else 0.03
                nn.init.normal_(weight, std=deviation)

    def forward(self, tokens: Tensor, documents: Tensor, wanted: Tensor) -> Tensor:
        """Return the logits at the wanted positions.

        A position sees only earlier ones of its own document.
        """
        cos, sin = rotations(self.shape, tokens.shape[1])
        same = documents[:, None, :, None] == documents[:, None, None, :]
        mask = same & torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril()
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, cos, sin, mask)
        logits: Tensor = self.output(self.norm(x[wanted]))
        return logits
