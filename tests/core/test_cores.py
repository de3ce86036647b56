"""One thread for each core that is really there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from penstock import cores
from penstock.cores import default_threads, usable_cores


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Eight CPUs on four cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}")
    return tmp_path


def test_two_threads_of_a_core_count_once(machine: Path) -> None:
    assert usable_cores(machine, machine / "none") == 4


def test_affinity_is_respected(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 5})
    assert usable_cores(machine, machine / "none") == 2


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", 4), ("200000 100000", 2), ("50000 100000", 1), ("?", 4)]
)
def test_the_quota_of_a_container_is_respected(machine: Path, text: str, cores: int) -> None:
    quota = machine / "cpu.max"
    quota.write_text(text)
    assert usable_cores(machine, quota) == cores


def test_without_topology_two_threads_share_a_core(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert usable_cores(machine / "none", machine / "none") == 4
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert usable_cores(machine / "none", machine / "none") == 8


@pytest.mark.parametrize(("megabytes", "count"), [(0, 1), (3, 1), (15, 3), (100, 16), (9000, 16)])
def test_a_tiny_model_takes_fewer_threads(
    monkeypatch: pytest.MonkeyPatch, megabytes: int, count: int
) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 16)
    assert default_threads(megabytes * 2**20) == count
