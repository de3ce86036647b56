"""Whether memory grows with the requests answered. Goal: within 2 % from 500 to 5,000."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import models
from benchmarks.scale import FULL, Absent

COUNTS = (500, 5000) if FULL else (100, 500)


@pytest.mark.benchmark(group="memory")
def bench_memory(benchmark) -> None:
    if not Path("/proc/self/status").exists():
        raise Absent("only Linux tells the resident memory")
    models.path("25m")
    found: dict[str, float] = {}
    benchmark.pedantic(lambda: found.update(measured()), rounds=1)
    few, many = (found[str(count)] for count in COUNTS)
    for count in COUNTS:
        benchmark.extra_info[f"MiB after {count:,} requests"] = round(found[str(count)], 1)
    benchmark.extra_info["% that it grew"] = round(100 * (many / few - 1), 1)


def measured() -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, COUNTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(done.stderr.strip().splitlines()[-1])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
