"""How many threads are worth starting: physical cores, within what this process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["default_threads", "usable_cores"]

_WEIGHT_BYTES_PER_THREAD = 4 * 2**20

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads(weight_bytes: int) -> int:
    """Return how many threads suit a model of that size: the cores, or fewer if it is tiny.

    The threads meet after each of some hundred operations per token. Where an operation takes no
    longer than the meeting, more threads gain little, and lose a lot on a machine that has other
    work too (3 million parameters, two busy cores: 2,250 tokens/s with one thread, 860 with two).
    """
    return max(1, min(usable_cores(), weight_bytes // _WEIGHT_BYTES_PER_THREAD))


def usable_cores(cpus: Path = _CPUS, quota: Path = _QUOTA) -> int:
    """Return the number of physical cores this process may use, at least 1.

    Respects CPU affinity and, on Linux, the quota of the control group. A second thread on one
    core slows decoding, as does a thread that has no core: ggml's threads wait for each other
    after every operation.
    """
    cores = _physical(cpus)
    limit = _quota(quota)
    return max(1, cores if limit is None else min(cores, limit))


def _physical(cpus: Path) -> int:
    allowed = _allowed()
    cores = {_siblings(cpus, cpu) for cpu in allowed}
    if None not in cores:
        return len(cores)
    # Apple's cores have one thread each; elsewhere two are common.
    return len(allowed) if platform.machine() == "arm64" else len(allowed) // 2


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _siblings(cpus: Path, cpu: int) -> str | None:
    try:
        return (cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return None


def _quota(path: Path) -> int | None:
    try:
        share, period = path.read_text().split()
        return None if share == "max" else max(1, int(share) // int(period))
    except (OSError, ValueError):
        return None
