"""A Python thread that computes without a pause. Run as a child: `Llama` beside such a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks import llama
from benchmarks.child import Run, serve


@contextmanager
def busy() -> Iterator[None]:
    """Keep a thread of this process computing in Python."""
    over = threading.Event()

    def compute() -> None:
        number = 0
        while not over.is_set():
            for _ in range(1000):
                number = number * 3 % 1_000_003

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def opened(text: str) -> Run:
    """Load `Llama`; whenever it runs, the busy thread runs too."""
    inner = llama.opened(text)

    def run(prompts: Sequence[str], tokens: int, drawn: bool) -> list[list[float]]:
        with busy():
            return inner(prompts, tokens, drawn)

    return run


if __name__ == "__main__":
    serve(opened)
