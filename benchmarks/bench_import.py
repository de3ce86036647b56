"""How long `import penstock` takes in a fresh interpreter; the goal is 80 ms.

The limit is an interpreter that imports nothing but what the core stands on.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

import pytest

MEASURE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds_to_import(modules: str) -> float:
    command = [sys.executable, "-c", MEASURE.format(modules)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("modules", ["anyio, pluggy", "penstock"])
def bench_import(benchmark, modules: str) -> None:
    seconds: list[float] = []
    benchmark.pedantic(
        lambda: seconds.append(seconds_to_import(modules)), rounds=15, warmup_rounds=2
    )
    benchmark.extra_info[f"ms to import {modules} (median)"] = round(median(seconds) * 1e3, 1)
