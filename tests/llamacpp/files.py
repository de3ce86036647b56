"""Model files made for tests: changed copies, split sets, adapters, and an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Change = Callable[[str, Floats], Floats]


def copy(
    source: Path, target: Path, change: Change = lambda _name, values: values, *, part: int = 0
) -> list[Path]:
    """Write a model again, every tensor as F32 and changed; in parts of `part` tensors if asked."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, arch="llama", split_max_tensors=part)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, change(tensor.name, values.astype(np.float32)))
    _write(writer)
    return sorted(target.parent.glob(f"{target.stem}*.gguf"))


def write_lora(
    path: Path,
    parts: Mapping[str, tuple[Floats, Floats]],
    *,
    alpha: float,
    arch: str = "llama",
    kind: str = "adapter",
    alpha_type: gguf.GGUFValueType = gguf.GGUFValueType.FLOAT32,
) -> Path:
    """Write an adapter: for each tensor, A of (rank, columns) and B of (rows, rank)."""
    writer = gguf.GGUFWriter(path, arch=arch)
    writer.add_type(kind)
    writer.add_string("adapter.type", "lora")
    writer.add_key_value("adapter.lora.alpha", alpha, alpha_type)
    for name, (a, b) in parts.items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    _write(writer)
    return path


def write_bert(path: Path, *, context: int = 64, pooling: int = 1, seed: int = 0) -> Path:
    """Write an encoder of random weights, that knows the letters."""
    width, inner = 32, 64
    draw = np.random.default_rng(seed)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"▁{chr(97 + at)}" for at in range(26)] + [chr(97 + at) for at in range(26)]
    writer = gguf.GGUFWriter(path, arch="bert")
    writer.add_name("encoder")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(1)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-5)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType(pooling))
    writer.add_tokenizer_model("bert")
    writer.add_token_list(words)
    writer.add_token_types([3] * 5 + [1] * 52)
    writer.add_token_type_count(2)
    for name, token in [("unk", 1), ("bos", 2), ("seperator", 3), ("padding", 0), ("mask", 4)]:
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", token)
    for name, shape in _bert_shapes(width, inner, len(words), context).items():
        scale = np.ones if name.endswith("norm.weight") else draw.standard_normal
        writer.add_tensor(name, np.asarray(scale(shape), np.float32))
    _write(writer)
    return path


def write_gemma(path: Path, vocabulary: Path, *, window: int = 32, seed: int = 0) -> Path:
    """Write a decoder of random weights, most of whose layers look at the last tokens only.

    Its vocabulary is that of another file.
    """
    width, inner, heads, layers = 64, 128, 4, 6
    draw = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, arch="gemma3")
    reader = gguf.GGUFReader(vocabulary)
    for key, field in reader.fields.items():
        if key.startswith("tokenizer."):
            inner_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), field.types[0], inner_type)
    writer.add_context_length(2048)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_sliding_window(window)
    words = len(reader.fields["tokenizer.ggml.tokens"].data)
    shapes = {"token_embd": (words, width), "output_norm": (width,)}
    for layer in range(layers):
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            shapes[f"blk.{layer}.{name}"] = (width,)
        for name in ("attn_q_norm", "attn_k_norm"):
            shapes[f"blk.{layer}.{name}"] = (width // heads,)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{layer}.{name}"] = (width, width)
        shapes[f"blk.{layer}.ffn_gate"] = shapes[f"blk.{layer}.ffn_up"] = (inner, width)
        shapes[f"blk.{layer}.ffn_down"] = (width, inner)
    for name, shape in shapes.items():
        scale = np.ones if name.endswith("norm") else draw.standard_normal
        writer.add_tensor(f"{name}.weight", np.asarray(scale(shape), np.float32))
    _write(writer)
    return path


def _bert_shapes(width: int, inner: int, words: int, context: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (words, width),
        "token_types.weight": (2, width),
        "position_embd.weight": (context, width),
        "token_embd_norm.weight": (width,),
        "token_embd_norm.bias": (width,),
    }
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        shapes[f"blk.0.{name}.weight"] = (width, width)
        shapes[f"blk.0.{name}.bias"] = (width,)
    for name in ("attn_output_norm", "layer_output_norm"):
        shapes[f"blk.0.{name}.weight"] = shapes[f"blk.0.{name}.bias"] = (width,)
    shapes["blk.0.ffn_up.weight"], shapes["blk.0.ffn_up.bias"] = (inner, width), (inner,)
    shapes["blk.0.ffn_down.weight"], shapes["blk.0.ffn_down.bias"] = (width, inner), (width,)
    return shapes


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
