"""`llama_cpp.Llama` as it comes: told the length of its context, and nothing else. A child too."""

from __future__ import annotations

from benchmarks.child import Run, serve
from benchmarks.llama import run_of
from benchmarks.settings import Settings


def opened(text: str) -> Run:
    """Load the model in `text`."""
    return run_of(Settings.read(text))


if __name__ == "__main__":
    serve(opened)
