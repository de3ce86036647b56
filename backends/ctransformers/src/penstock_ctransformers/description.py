"""What is told of a loaded model."""

from __future__ import annotations

from penstock.backend import Capabilities, ModelInfo
from penstock.templates import template_of

from penstock_ctransformers.library import version
from penstock_ctransformers.loaded import Loaded
from penstock_ctransformers.options import LoadOptions
from penstock_ctransformers.sampling import DEFAULTS, HONOURED
from penstock_ctransformers.vocabulary import Vocabulary

__all__ = ["describe"]


def describe(loaded: Loaded, vocabulary: Vocabulary, options: LoadOptions, chunk: int) -> ModelInfo:
    """Return the description of a model, as the file and the library tell it.

    Raises `UsageError` for a template that there is not.
    """
    file, asked = loaded.file, options.template
    return ModelInfo(
        name=file.name,
        backend="ctransformers",
        context_length=loaded.context,
        vocabulary_size=vocabulary.size,
        chat_template=file.template if asked is None else template_of(asked),
        bos_token=vocabulary.name(vocabulary.bos),
        eos_token=vocabulary.name(vocabulary.eos),
        device="cuda" if loaded.library.name == "cuda" else "cpu",
        capabilities=Capabilities(options=HONOURED, tokenize=True, limits=True),
        defaults=DEFAULTS,
        details={
            "library": loaded.library.name,
            "model_type": file.architecture,
            "format": "ggml" if file.legacy else "gguf",
            "quantisation": file.quantisation,
            "layers": file.layers,
            "gpu_layers": loaded.gpu_layers,
            "trained_context": file.context,
            "file_bytes": file.bytes,
            "n_batch": chunk,
            "n_threads": loaded.threads.one,
            "n_threads_batch": loaded.threads.many,
            "ctransformers": version(),
        },
    )
