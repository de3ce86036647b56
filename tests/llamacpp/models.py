"""Tiny models of each kind of memory: a recurrent one, a hybrid one, and one with a window.

Their weights are random, and drawn so that what a model says depends on all that it has read. They
write letters, one to a token, so that an answer is the same tokens when it comes back in a prompt.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

__all__ = ["KINDS", "WINDOW", "write_hybrid", "write_recurrent", "write_windowed"]

Floats = npt.NDArray[np.float64]
Shapes = Mapping[str, tuple[int, ...]]

WINDOW = 32
"""Tokens that every other layer of the model with a window looks at."""

_CONTEXT, _WIDTH, _INNER, _HEADS, _LAYERS = 2048, 64, 128, 4, 4
_STATE, _RANK, _KERNEL = 8, 4, 4
_SILENT = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
_SPOKEN = ["▁", *string.ascii_letters, *string.digits, *".,!?"]
_WORDS = [*_SILENT, *_SPOKEN]


def write_recurrent(path: Path) -> Path:
    """Write a Mamba model: one state for all that a sequence has read, and no attention."""
    writer = _writer(path, "mamba")
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(2 * _WIDTH)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)
    layers = [_mamba(at) for at in range(_LAYERS)]
    return _write(writer, layers, {"output_norm.weight": (_WIDTH,)})


def write_hybrid(path: Path) -> Path:
    """Write a Jamba model: recurrent layers, and attention in every other one."""
    writer = _writer(path, "jamba")
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv([0 if at % 2 == 0 else _HEADS for at in range(_LAYERS)])
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(2 * _WIDTH)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)
    layers = [
        {**(_mamba(at, norms=True) if at % 2 == 0 else _attention(at)), **_feed_forward(at)}
        for at in range(_LAYERS)
    ]
    return _write(writer, layers, {"output_norm.weight": (_WIDTH,)})


def write_windowed(path: Path) -> Path:
    """Write a Gemma 2 model: attention, which in every other layer sees the last tokens only."""
    writer = _writer(path, "gemma2")
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_key_length(_WIDTH // _HEADS)
    writer.add_value_length(_WIDTH // _HEADS)
    writer.add_sliding_window(WINDOW)
    layers = [
        {
            **_attention(at),
            **_feed_forward(at),
            f"blk.{at}.post_attention_norm.weight": (_WIDTH,),
            f"blk.{at}.post_ffw_norm.weight": (_WIDTH,),
        }
        for at in range(_LAYERS)
    ]
    return _write(writer, layers, {"output_norm.weight": (_WIDTH,)})


KINDS: Mapping[str, Callable[[Path], Path]] = {
    "recurrent": write_recurrent,
    "hybrid": write_hybrid,
    "windowed": write_windowed,
}


def _writer(path: Path, arch: str) -> gguf.GGUFWriter:
    kinds = gguf.TokenType
    writer = gguf.GGUFWriter(path, arch=arch)
    writer.add_name(f"random {arch}")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(_WORDS)
    writer.add_token_scores([0.0] * len(_WORDS))
    special = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL]
    writer.add_token_types([*special, *[kinds.BYTE] * 256, *[kinds.NORMAL] * len(_SPOKEN)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return writer


def _mamba(at: int, *, norms: bool = False) -> Shapes:
    inner = 2 * _WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm.weight": (_WIDTH,),
        "ssm_in.weight": (2 * inner, _WIDTH),
        "ssm_conv1d.weight": (inner, _KERNEL),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (_RANK + 2 * _STATE, inner),
        "ssm_dt.weight": (inner, _RANK),
        "ssm_dt.bias": (inner,),
        "ssm_a": (inner, _STATE),
        "ssm_d": (inner,),
        "ssm_out.weight": (_WIDTH, inner),
    }
    if norms:
        shapes |= {"ssm_dt_norm.weight": (_RANK,), "ssm_b_norm.weight": (_STATE,)}
        shapes |= {"ssm_c_norm.weight": (_STATE,)}
    return {f"blk.{at}.{name}": shape for name, shape in shapes.items()}


def _attention(at: int) -> Shapes:
    names = ("attn_q", "attn_k", "attn_v", "attn_output")
    square = {f"blk.{at}.{name}.weight": (_WIDTH, _WIDTH) for name in names}
    return {f"blk.{at}.attn_norm.weight": (_WIDTH,), **square}


def _feed_forward(at: int) -> Shapes:
    return {
        f"blk.{at}.ffn_norm.weight": (_WIDTH,),
        f"blk.{at}.ffn_gate.weight": (_INNER, _WIDTH),
        f"blk.{at}.ffn_up.weight": (_INNER, _WIDTH),
        f"blk.{at}.ffn_down.weight": (_WIDTH, _INNER),
    }


def _write(writer: gguf.GGUFWriter, layers: list[Shapes], more: Shapes) -> Path:
    draw = np.random.default_rng(5)
    shapes = {"token_embd.weight": (len(_WORDS), _WIDTH)}
    for part in (*layers, more):
        shapes.update(part)
    for name, shape in shapes.items():
        writer.add_tensor(name, _values(name, shape, draw).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert isinstance(writer.path, Path)
    return writer.path


def _values(
    name: str, shape: tuple[int, ...], draw: np.random.Generator
) -> npt.NDArray[np.float64]:
    if ".post_" in name:
        # Gemma multiplies the embeddings by 8: without this, they would drown the layers.
        return np.full(shape, 16.0)
    if "norm" in name or name.endswith("ssm_d"):
        return np.ones(shape)
    if name.endswith("ssm_a"):
        # Slow decay: the first tokens of a text still count at its end.
        return -np.broadcast_to(np.geomspace(0.002, 0.1, shape[-1]), shape)
    if name.endswith("ssm_dt.bias"):
        return np.full(shape, 0.5)
    if "embd" in name:
        spoken = 8 / np.sqrt(_WIDTH) * draw.standard_normal((len(_SPOKEN), _WIDTH))
        return np.concatenate([np.zeros((len(_SILENT), _WIDTH)), spoken])
    # Sharp attention: what a token looks at is few tokens, not the mean of all.
    scale = 3 if "attn_q" in name or "attn_k" in name else 1
    return draw.standard_normal(shape) / np.sqrt(shape[-1]) * scale
