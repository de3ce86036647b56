"""Export: the trained network and its tokenizer become one GGUF file."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import sentencepiece as spm
from numpy.typing import NDArray
from torch import nn

from .shape import POCKET, Shape

Weights = dict[str, NDArray[np.float32]]

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '</s>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_BLOCK = {
    "attention_norm": "attn_norm", "attention.q": "attn_q", "attention.k": "attn_k",
    "attention.v": "attn_v", "attention.o": "attn_output", "ffn_norm": "ffn_norm",
    "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}  # fmt: skip
_OUTER = {"embedding": "token_embd", "norm": "output_norm", "output": "output"}


def arrays(network: nn.Module) -> Weights:
    """Return the weights of the network by the names that they have in it."""
    return {name: weight.detach().numpy() for name, weight in network.named_parameters()}


def tensor_name(parameter: str) -> str:
    """Return the name that a parameter of the network has in a GGUF file."""
    if not parameter.startswith("blocks."):
        return f"{_OUTER[parameter.removesuffix('.weight')]}.weight"
    _, number, rest = parameter.split(".", 2)
    return f"blk.{number}.{_BLOCK[rest.removesuffix('.weight')]}.weight"


def write(
    target: Path, weights: Weights, tokenizer: spm.SentencePieceProcessor, shape: Shape = POCKET
) -> None:
    """Write the file beside the target first, so that the target is whole at any time."""
    fresh = target.with_suffix(".new")
    writer = gguf.GGUFWriter(fresh, "llama")
    _describe(writer, shape)
    _add_vocabulary(writer, tokenizer)
    for parameter, values in weights.items():
        _add_tensor(writer, tensor_name(parameter), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    fresh.replace(target)


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("Penstock Pocket")
    writer.add_basename("pocket")
    writer.add_description("A very small chat and story model for demos and tests.")
    writer.add_license("mit")
    writer.add_languages(["en"])
    writer.add_size_label("3M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)


def token_type(tokenizer: spm.SentencePieceProcessor, token: int) -> gguf.TokenType:
    """Return the kind of a token as a GGUF file names it."""
    if tokenizer.is_unknown(token):
        return gguf.TokenType.UNKNOWN
    if tokenizer.is_control(token):
        return gguf.TokenType.CONTROL
    return gguf.TokenType.BYTE if tokenizer.is_byte(token) else gguf.TokenType.NORMAL


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: spm.SentencePieceProcessor) -> None:
    tokens = range(tokenizer.vocab_size())
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([tokenizer.id_to_piece(token) for token in tokens])
    writer.add_token_scores([tokenizer.get_score(token) for token in tokens])
    writer.add_token_types([token_type(tokenizer, token) for token in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_tensor(writer: gguf.GGUFWriter, name: str, values: NDArray[np.float32]) -> None:
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
