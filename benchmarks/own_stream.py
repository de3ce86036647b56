"""ctransformers' own class and its own stream, in a child.

The first argument is the settings; a thread count of -1, and a batch of 0, leave it its defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from benchmarks.child import Run, serve
from benchmarks.settings import Settings


def opened(text: str) -> Run:
    """Load the model in `text`."""
    from ctransformers import AutoModelForCausalLM

    said = Settings.read(text)
    chosen = {"batch_size": said.n_batch} if said.n_batch else {}
    model = AutoModelForCausalLM.from_pretrained(
        said.path, model_type="gguf", context_length=said.n_ctx, threads=said.n_threads, **chosen
    )

    def run(prompts: Sequence[str], tokens: int, drawn: bool) -> list[list[float]]:
        # It divides by a temperature of 0: the likeliest alone is what it has for greedy.
        options = {"seed": 7} if drawn else {"top_k": 1, "repetition_penalty": 1.0}
        streams = (model(text, stream=True, max_new_tokens=tokens, **options) for text in prompts)
        return [[perf_counter() for _ in stream] for stream in streams]

    return run


if __name__ == "__main__":
    serve(opened)
