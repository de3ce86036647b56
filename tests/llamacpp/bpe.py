"""A model with a vocabulary like GPT-2's: merged bytes, and two tokens that end a text."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

__all__ = ["ENDS", "START", "write_bpe"]

_MERGES = ["t h", "th e", "Ġ the", "Ġ t", "Ġt h", "Ġth e", "e r", "Ġ {", '{ "', '" :', "Ã ©"]
_CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_WIDTH, _INNER = 32, 64

START = "<|im_start|>"
ENDS = ("<|endoftext|>", "<|im_end|>")


def write_bpe(path: Path) -> Path:
    """Write a llama model of random weights and one layer with such a vocabulary."""
    merged = list(dict.fromkeys(merge.replace(" ", "") for merge in _MERGES))
    words = [*_letters(), *merged, *_CONTROL, "<think>"]
    control = len(words) - len(_CONTROL) - 1
    kinds = gguf.TokenType
    writer = gguf.GGUFWriter(path, arch="llama")
    writer.add_name("merged bytes")
    writer.add_context_length(256)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER)
    writer.add_block_count(1)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    writer.add_token_types(
        [kinds.NORMAL] * control + [kinds.CONTROL] * len(_CONTROL) + [kinds.USER_DEFINED]
    )
    writer.add_token_merges(_MERGES)
    writer.add_eos_token_id(words.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    draw = np.random.default_rng(0)
    for name, shape in _shapes(len(words)).items():
        scale = np.ones if "norm" in name else draw.standard_normal
        writer.add_tensor(name, np.asarray(scale(shape), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _letters() -> list[str]:
    """Return the letters that stand for the 256 bytes, in their order."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def _shapes(words: int) -> dict[str, tuple[int, ...]]:
    square, wide = (_WIDTH, _WIDTH), (_INNER, _WIDTH)
    return {
        "token_embd.weight": (words, _WIDTH),
        "blk.0.attn_norm.weight": (_WIDTH,),
        "blk.0.ffn_norm.weight": (_WIDTH,),
        "blk.0.attn_q.weight": square,
        "blk.0.attn_k.weight": square,
        "blk.0.attn_v.weight": square,
        "blk.0.attn_output.weight": square,
        "blk.0.ffn_gate.weight": wide,
        "blk.0.ffn_up.weight": wide,
        "blk.0.ffn_down.weight": (_WIDTH, _INNER),
        "output_norm.weight": (_WIDTH,),
        "output.weight": (words, _WIDTH),
    }
