"""What is told of a loaded model."""

from __future__ import annotations

from penstock.backend import Capabilities, ModelInfo, OptionValue
from penstock.request import ENGINE_OPTIONS

from penstock_llamacpp import devices
from penstock_llamacpp.context import Context
from penstock_llamacpp.library import version
from penstock_llamacpp.sampling import DEFAULTS
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

__all__ = ["describe"]


def describe(weights: Weights, context: Context, vocabulary: Vocabulary, threads: int) -> ModelInfo:
    """Return the description of the model, read back from llama.cpp."""
    template = weights.library.chat_template(weights.pointer, None)
    return ModelInfo(
        name=weights.metadata("general.name") or weights.path.stem,
        backend="llamacpp",
        context_length=context.length,
        vocabulary_size=vocabulary.size,
        chat_template=template and template.decode("utf-8", "replace"),
        bos_token=vocabulary.name(vocabulary.bos),
        eos_token=vocabulary.name(vocabulary.eos),
        device=devices.describe(weights),
        capabilities=Capabilities(options=ENGINE_OPTIONS, tokenize=True, parallel=1),
        defaults=DEFAULTS,
        details=_details(weights, threads),
    )


def _details(weights: Weights, threads: int) -> dict[str, OptionValue]:
    library, pointer = weights.library, weights.pointer
    quantisation = library.ftype_name(library.model_ftype(pointer))
    return {
        "architecture": weights.metadata("general.architecture"),
        "file_bytes": weights.path.stat().st_size,
        "weight_bytes": weights.size,
        "parameters": int(library.model_parameters(pointer)),
        "layers": weights.layers,
        "quantisation": quantisation and quantisation.decode("utf-8", "replace"),
        "trained_context": weights.trained_context,
        "n_threads": threads,
        "llama_cpp": library.version().decode("utf-8", "replace"),
        "llama_cpp_python": version(),
    }
