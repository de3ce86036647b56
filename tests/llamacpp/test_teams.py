"""A model at rest keeps no threads for its computation: others would wait at their barriers."""

from __future__ import annotations

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


@pytest.mark.skipif(not TASKS.exists(), reason="counts threads in /proc")
def test_a_model_at_rest_gives_up_its_team(pocket: Path, fresh, ask, submit) -> None:
    engine = fresh(pocket, n_threads=3)
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
