"""llama.cpp's return codes: one stream fails, never all, and nobody's text changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.errors import EngineError
from penstock.testing import Record
from penstock_llamacpp.testing import FaultyContext

PROMPTS = (
    "Mia and a tiny dragon sat by the fire.",
    "It was raining. Tom stayed at home and",
    "Zoe and a tiny dragon sat by the fire.",
    "Every morning Otto fed the birds.",
)
TOKENS = 80
GREEDY = {"temperature": 0, "ignore_eos": True, "max_tokens": TOKENS}
FULL, ABORTED, INVALID, NO_MEMORY, FAILED = 1, 2, -1, -2, -3


@pytest.fixture(scope="module")
def wanted(pocket: Path, load_engine, ask, certain) -> dict[str, list[int]]:
    engine = load_engine(pocket, flash_attn=False, parallel=1, reuse_prefix=False)
    try:
        return {
            prompt: certain(ask(engine, prompt, **GREEDY, logprobs=4), 0.1) for prompt in PROMPTS
        }
    finally:
        engine.close()


@pytest.fixture
def faulty(pocket: Path, fresh):
    return fresh(pocket, context=FaultyContext, flash_attn=False, parallel=4)


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.0005)


@pytest.fixture
def together(faulty, submit, wanted):
    """`together(script)` runs all prompts, with faults in the middle, and returns who failed."""

    def run(*script: int | Exception | None) -> list[Record]:
        records = [submit(faulty, prompt, **GREEDY) for prompt in PROMPTS]
        wait_until(lambda: all(len(record.ids) > 5 for record in records))
        faulty._context.script.extend(script)
        wait_until(lambda: all(record.ended for record in records))
        assert not faulty._context.script, "the script was not played to its end"
        failed = [record for record in records if record.error is not None]
        for prompt, record in zip(PROMPTS, records, strict=True):
            ids = record.ids
            assert ids[: len(wanted[prompt])] == wanted[prompt][: len(ids)]
            assert record in failed or len(ids) == TOKENS
            assert record.endings == 1
        assert faulty.occupancy().live == 0
        return failed

    return run


def test_a_step_that_was_aborted_is_done_again(together) -> None:
    assert together(ABORTED) == []
    assert together(ABORTED, ABORTED, None, ABORTED) == []


@pytest.mark.parametrize("code", [INVALID, FAILED])
def test_a_step_that_failed_is_done_stream_by_stream(together, code: int) -> None:
    assert together(code) == []


@pytest.mark.parametrize("code", [INVALID, FAILED])
def test_who_fails_alone_fails_alone(together, code: int) -> None:
    (failed,) = together(code, None, code, None, None)
    assert isinstance(failed.error, EngineError)
    assert f"returned {code}" in str(failed.error)


@pytest.mark.parametrize("code", [FULL, NO_MEMORY])
def test_without_memory_the_youngest_make_way(together, code: int) -> None:
    assert together(code) == []
    assert together(code, code) == []
    assert together(code, None, None, code) == []


@pytest.mark.parametrize("code", [FULL, NO_MEMORY, FAILED, INVALID])
def test_a_stream_without_company_fails_and_the_next_runs(
    faulty, submit, ask, wanted: dict[str, list[int]], code: int
) -> None:
    record = submit(faulty, PROMPTS[0], **GREEDY)
    wait_until(lambda: len(record.ids) > 5)
    faulty._context.script.append(code)
    with pytest.raises(EngineError, match=f"returned {code}"):
        record.wait()
    assert 5 < len(record.ids) < TOKENS
    expected = wanted[PROMPTS[1]]
    assert ask(faulty, PROMPTS[1], **GREEDY).ids[: len(expected)] == expected[:TOKENS]


def test_without_memory_a_prompt_goes_in_smaller_chunks(faulty, ask, wanted) -> None:
    faulty._context.script.extend([NO_MEMORY, NO_MEMORY])
    prompt = "One day. " * 30 + PROMPTS[0]
    record = ask(faulty, prompt, **GREEDY | {"max_tokens": 4})
    done = [prefill.processed for prefill in record.prefills]
    assert done[0] == 0
    assert 0 < done[1] <= 64
    assert done[-1] == record.prefills[0].total


def test_a_defect_fails_what_runs_and_nothing_after_it(
    faulty, submit, ask, wanted: dict[str, list[int]]
) -> None:
    records = [submit(faulty, prompt, **GREEDY) for prompt in PROMPTS]
    wait_until(lambda: all(len(record.ids) > 5 for record in records))
    faulty._context.script.append(RuntimeError("a defect"))
    wait_until(lambda: all(record.ended for record in records))
    assert {type(record.error) for record in records} == {RuntimeError}
    expected = wanted[PROMPTS[1]]
    assert ask(faulty, PROMPTS[1], **GREEDY).ids[: len(expected)] == expected[:TOKENS]
