"""The peer that most people use: `llama_cpp.Llama` and its `create_completion(stream=True)`.

Run as a child (see `child`). What cannot be told to `Llama` keeps its default.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from benchmarks.child import Run, serve
from benchmarks.settings import Settings

DRAWN = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 7}


def opened(text: str) -> Run:
    """Load the model with the settings in `text`."""
    settings = Settings.read(text)
    return run_of(
        settings,
        n_batch=settings.n_batch,
        n_ubatch=settings.n_ubatch,
        n_threads=settings.n_threads,
        n_threads_batch=settings.n_threads_batch,
        n_gpu_layers=settings.n_gpu_layers,
        flash_attn=settings.flash_attn != 0,
    )


def run_of(settings: Settings, **options: int | bool) -> Run:
    """Load the model with `options`, and all else as it comes."""
    import llama_cpp

    llama = llama_cpp.Llama(settings.path, n_ctx=settings.n_ctx, verbose=False, **options)

    def one(prompt: str, tokens: int, drawn: bool) -> list[float]:
        options = DRAWN if drawn else {"temperature": 0.0}
        chunks = llama.create_completion(prompt, max_tokens=tokens, stream=True, **options)
        # A chunk for each token, and one that only ends it.
        return [perf_counter() for chunk in chunks if chunk["choices"][0]["text"]]

    def run(prompts: Sequence[str], tokens: int, drawn: bool) -> list[list[float]]:
        return [one(prompt, tokens, drawn) for prompt in prompts]

    return run


if __name__ == "__main__":
    serve(opened)
