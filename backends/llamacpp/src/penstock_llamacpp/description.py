"""What is told of a loaded model."""

from __future__ import annotations

from penstock.backend import Capabilities, ModelInfo, OptionValue
from penstock.request import ENGINE_OPTIONS

from penstock_llamacpp.context import Context
from penstock_llamacpp.library import version
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.sampling import DEFAULTS
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

__all__ = ["describe", "describe_encoder"]

_TEMPLATES = frozenset({"tools", "tool_choice"})
"""What a chat template sees to, if it can."""


def describe(
    weights: Weights, context: Context, vocabulary: Vocabulary, options: LoadOptions, threads: int
) -> ModelInfo:
    """Return the description of a model that writes texts, read back from llama.cpp."""
    template = weights.library.chat_template(weights.pointer, None)
    return ModelInfo(
        name=_name(weights),
        backend="llamacpp",
        context_length=context.length,
        vocabulary_size=vocabulary.size,
        chat_template=template and template.decode("utf-8", "replace"),
        bos_token=vocabulary.name(vocabulary.bos),
        eos_token=vocabulary.name(vocabulary.eos),
        device=str(weights.offload),
        capabilities=Capabilities(
            options=ENGINE_OPTIONS - _TEMPLATES,
            tokenize=True,
            embed=weights.embeds,
            state=True,
            limits=True,
            parallel=options.parallel,
        ),
        defaults=DEFAULTS,
        details=_of_weights(weights, threads) | _of_context(context, options),
    )


def describe_encoder(
    weights: Weights, vocabulary: Vocabulary, length: int, threads: int
) -> ModelInfo:
    """Return the description of a model that only embeds texts, of `length` tokens at most."""
    return ModelInfo(
        name=_name(weights),
        backend="llamacpp",
        context_length=length,
        vocabulary_size=vocabulary.size,
        bos_token=vocabulary.name(vocabulary.bos),
        eos_token=vocabulary.name(vocabulary.eos),
        device=str(weights.offload),
        capabilities=Capabilities(tokenize=True, embed=weights.embeds),
        details=_of_weights(weights, threads),
    )


def _name(weights: Weights) -> str:
    return weights.metadata("general.name") or weights.path.stem


def _of_weights(weights: Weights, threads: int) -> dict[str, OptionValue]:
    library, pointer = weights.library, weights.pointer
    quantisation = library.ftype_name(library.model_ftype(pointer))
    return {
        "architecture": weights.metadata("general.architecture"),
        "file_bytes": weights.file_bytes,
        "weight_bytes": weights.size,
        "parameters": int(library.model_parameters(pointer)),
        "layers": weights.layers,
        "gpu_layers": weights.offload.layers,
        "quantisation": quantisation and quantisation.decode("utf-8", "replace"),
        "trained_context": weights.trained_context,
        "lora": str(weights.adapters) or None,
        "n_threads": threads,
        "llama_cpp": library.version().decode("utf-8", "replace"),
        "llama_cpp_python": version(),
    }


def _of_context(context: Context, options: LoadOptions) -> dict[str, OptionValue]:
    facts = context.facts
    return {
        "parallel": options.parallel,
        "n_cells": context.cells,
        "n_threads_batch": facts.n_threads_batch,
        "n_batch": facts.n_batch,
        "n_ubatch": facts.n_ubatch,
        "flash_attn": facts.flash_attn,
        "type_k": options.type_k,
        "type_v": options.type_v,
        "kv_bytes": facts.memory_bytes,
    }
