"""The same measures over every backend that is installed, with the pocket model.

The names come from the registry: a backend of yours appears by being installed. A backend of
servers gets llama-cpp-python's own, with the same model. The words for time are those of `Timings`;
what ends the generation is `max_tokens`, where the engine can go on that long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import penstock
import pytest
from penstock import Registry
from penstock.backend import OptionValue

from benchmarks.scale import Absent, rounds
from tests.openai.real import llama_cpp_server

BACKENDS = sorted(Registry.installed().backends)
OF_SERVERS = {"openai"}
PROMPT, TOKENS, LEFT_AFTER = "Once upon a time there was a little dog", 100, 10


@dataclass(frozen=True, slots=True)
class Target:
    """What is loaded, and how."""

    name: str
    options: dict[str, OptionValue]

    def loading(self) -> penstock.sync.Loading:
        return penstock.sync.load(self.name, options=self.options)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("server")
    with llama_cpp_server(folder) as url:
        yield url


@pytest.fixture(params=BACKENDS)
def target(request: pytest.FixtureRequest) -> Target:
    name: str = request.param
    if name in OF_SERVERS:
        return Target(f"{name}:", {"base_url": request.getfixturevalue("url")})
    return Target(f"{name}:pocket:", {})


@pytest.mark.benchmark(group="backends")
def bench_backend(target: Target, benchmark) -> None:
    loads: list[float] = []
    streams: list[penstock.Completion] = []
    leavings: list[float] = []

    def once() -> None:
        with ExitStack() as stack:
            began = perf_counter()
            try:
                model = stack.enter_context(target.loading())
            except penstock.PenstockError as error:
                raise Absent(str(error)) from error
            loads.append(perf_counter() - began)
            generate(model, "The cat", 4)  # what is made on first use
            streams.append(generate(model, PROMPT, TOKENS))
            leavings.append(leave(model))

    benchmark.pedantic(once, rounds=rounds(5), warmup_rounds=1)
    timings = [done.timings for done in streams[1:]]
    info = benchmark.extra_info
    info["ms load"] = round(median(loads[1:]) * 1e3, 1)
    info["ms ttft"] = round(median(one.ttft or 0 for one in timings) * 1e3, 2)
    info["ms itl"] = round(median(one.itl or 0 for one in timings) * 1e3, 3)
    info["tokens/s decode"] = round(median(one.decode_tps or 0 for one in timings))
    info["ms cancel to idle"] = round(median(leavings[1:]) * 1e3, 2)
    info["tokens"] = streams[-1].usage.completion_tokens
    info["counted by"] = streams[-1].usage.source


def options(model: penstock.sync.Model, tokens: int) -> penstock.request.CallOptions:
    """Greedy, and as long as it is to be, where the engine can."""
    able = model.info.capabilities.options
    chosen: penstock.request.CallOptions = {"max_tokens": tokens}
    if "temperature" in able:
        chosen["temperature"] = 0.0
    if "ignore_eos" in able:
        chosen["ignore_eos"] = True
    return chosen


def generate(model: penstock.sync.Model, prompt: str, tokens: int) -> penstock.Completion:
    return model.complete(prompt, **options(model, tokens)).result()


def leave(model: penstock.sync.Model) -> float:
    """Return the seconds from leaving a stream until the engine is free."""
    generation = model.complete(PROMPT, **options(model, 400))
    for _ in generation.take(LEFT_AFTER):
        pass
    began = perf_counter()
    generation.wait_idle()
    return perf_counter() - began
