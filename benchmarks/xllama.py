"""The peer xllamacpp: llama.cpp's server inside Python, from its wheel. Run as a child.

Its wheel is built for any x86-64 with AVX2; ours for this CPU. That is what its users get, and it
is part of the difference: see `results.md`.
"""

from __future__ import annotations

import json
import subprocess
import threading
import venv
from collections.abc import Sequence
from time import perf_counter

from benchmarks.child import Run, serve
from benchmarks.settings import Settings


def python() -> str:
    """Return the Python of an environment that has it. Raises `Absent`."""
    from benchmarks.models import BUILD
    from benchmarks.scale import Absent

    folder = BUILD / "peers"
    found = str(folder / "bin" / "python")
    if not folder.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", "xllamacpp"], check=False)
    if subprocess.run([found, "-c", "import xllamacpp"], check=False).returncode:
        raise Absent(f"xllamacpp cannot be installed into {folder}")
    return found


def opened(text: str) -> Run:
    """Start its server, in this process, with the settings in `text`."""
    import xllamacpp

    settings = Settings.read(text)
    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.n_ctx = settings.n_ctx
    params.n_batch = settings.n_batch
    params.n_ubatch = settings.n_ubatch
    params.n_parallel = settings.n_seq_max
    params.kv_unified = settings.kv_unified
    params.n_gpu_layers = settings.n_gpu_layers
    params.cpuparams.n_threads = settings.n_threads
    params.cpuparams_batch.n_threads = settings.n_threads_batch
    server = xllamacpp.Server(params)

    def run(prompts: Sequence[str], tokens: int, drawn: bool) -> list[list[float]]:
        moments: list[list[float]] = [[] for _ in prompts]
        threads = [
            threading.Thread(target=_one, args=(server, prompt, tokens, drawn, found))
            for prompt, found in zip(prompts, moments, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return moments

    return run


def _one(server: object, prompt: str, tokens: int, drawn: bool, found: list[float]) -> None:
    def take(chunk: object) -> bool:
        text = chunk if isinstance(chunk, dict) else json.loads(str(chunk))
        if text.get("choices", [{}])[0].get("text") or text.get("content"):
            found.append(perf_counter())
        return False  # go on

    order = {"prompt": prompt, "max_tokens": tokens, "stream": True, "ignore_eos": True}
    order |= {"seed": 7} if drawn else {"temperature": 0, "top_k": 1, "samplers": ["top_k"]}
    server.handle_completions(order, take)  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve(opened)
