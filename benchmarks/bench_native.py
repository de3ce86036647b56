"""llama.cpp's own benchmarks: what the library does with no Python at all, and nobody listening.

For orientation: `llama-bench` and `llama-batched-bench` do not sample, and look no piece up.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from benchmarks import models
from benchmarks.native import program
from benchmarks.scale import only_in_full

EACH = pytest.mark.parametrize("name", ["125m", "25m", "1500m"])


@pytest.mark.benchmark(group="native")
@EACH
def bench_llama_bench(benchmark, name: str) -> None:
    only_in_full()
    options = ["-p", "256", "-n", "64", "-r", "3", "-o", "jsonl"]
    lines = run(benchmark, "llama-bench", name, options)
    for line in lines:
        what = f"prompt of {line['n_prompt']}" if line["n_prompt"] else f"{line['n_gen']} tokens"
        benchmark.extra_info[f"tokens/s llama-bench, {what}"] = round(line["avg_ts"])


@pytest.mark.benchmark(group="native")
@EACH
def bench_llama_batched_bench(benchmark, name: str) -> None:
    only_in_full()
    options = ["-c", "8192", "-kvu", "-npp", "16", "-ntg", "64", "-npl", "1,8,16"]
    for line in run(benchmark, "llama-batched-bench", name, [*options, "--output-format", "jsonl"]):
        benchmark.extra_info[f"tokens/s llama-batched-bench, {line['pl']} streams"] = round(
            line["speed_tg"]
        )


def run(benchmark, name: str, model: str, options: list[str]) -> list[dict]:
    """Return the lines of JSON that a program prints."""
    command = [str(program(name)), "-m", str(models.path(model)), *options]
    said = benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout,
        rounds=1,
    )
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]
