"""A model at rest keeps no threads for its computation: others would wait at their barriers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from penstock_llamacpp import teams

TASKS = Path("/proc/self/task")


def count() -> int:
    return len(list(TASKS.iterdir()))


def test_to_dismiss_where_nothing_was_computed_is_harmless() -> None:
    teams.dismiss()
    teams.dismiss()


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def told() -> tuple[str | None, str | None]:
    """What a library that is loaded now reads, and a child would."""
    return os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT")


@pytest.mark.usefixtures("unset")
def test_openmp_is_told_to_spin_while_it_is_loaded_and_nobody_else_is() -> None:
    with teams.patient():
        assert told() == ("active", "300000")
    assert told() == (None, None)


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_what_the_user_has_set_stays(unset: pytest.MonkeyPatch, name: str) -> None:
    unset.setenv(name, "passive")
    before = told()
    with teams.patient():
        assert told() == before
    assert told() == before


@pytest.mark.skipif(not TASKS.exists(), reason="counts threads in /proc")
def test_a_model_at_rest_gives_up_its_team(pocket: Path, on_cpu, ask, submit) -> None:
    engine = on_cpu(pocket, n_threads=3)
    if teams._openmp() is None:
        pytest.skip("this llama.cpp was built without GCC's OpenMP")
    record = submit(engine, "Once upon a time", ignore_eos=True)
    while not record.tokens:
        time.sleep(0.001)
    at_work = count()
    record.leave()
    record.wait()
    ends = time.monotonic() + 5
    while count() > at_work - 2:  # the third of its threads is its own
        assert time.monotonic() < ends, (count(), at_work)
        time.sleep(0.001)
    assert ask(engine, "Once upon a time", max_tokens=3).ids
