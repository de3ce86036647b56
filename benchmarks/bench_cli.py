"""How long `penstock --help` takes, from the shell's point of view; the goal is 250 ms.

The limit is an interpreter that does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "penstock --help": [str(Path(sysconfig.get_path("scripts")) / "penstock"), "--help"],
}


def seconds_of(command: list[str]) -> float:
    begun = perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return perf_counter() - begun


@pytest.mark.benchmark(group="cli")
@pytest.mark.parametrize("name", COMMANDS)
def bench_cli(benchmark, name: str) -> None:
    seconds: list[float] = []
    benchmark.pedantic(
        lambda: seconds.append(seconds_of(COMMANDS[name])), rounds=10, warmup_rounds=2
    )
    benchmark.extra_info[f"ms of {name} (median of 10)"] = round(median(seconds) * 1e3, 1)
