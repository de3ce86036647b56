"""Where prompts are cut: no few rows are left behind a long text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from penstock_llamacpp.tiles import TILE, spare, whole

SIZES = st.integers(1, 3000)


@pytest.mark.parametrize(
    ("pending", "room", "taken"),
    [(100, 128, 128), (128, 128, 128), (129, 128, 129), (191, 128, 191), (192, 128, 128),
     (530, 512, 265), (500, 480, 500)],
)  # fmt: skip
def test_a_step_takes_a_small_rest_too(pending: int, room: int, taken: int) -> None:
    assert whole(pending, room, 512) == taken


@given(SIZES, SIZES, SIZES)
@example(65, 2, 64)
@example(129, 66, 128)
def test_a_step_is_never_too_large_and_leaves_a_tile_or_nothing(
    pending: int, room: int, most: int
) -> None:
    room = min(room, most)
    taken = whole(pending, room, most)
    assert 0 < taken <= most
    left = pending - taken
    assert left <= 0 or left >= TILE or most < 2 * TILE


@pytest.mark.parametrize(
    ("pending", "before", "again"),
    [(40, 2000, 24), (32, 1024, 32), (63, 1024, 1), (31, 2000, 0), (64, 2000, 0), (40, 1023, 0)],
)
def test_a_tile_is_filled_from_what_was_evaluated(pending: int, before: int, again: int) -> None:
    assert spare(pending, before) == again


TALE = "Mia and a tiny dragon sat by the fire. It was raining. Tom stayed at home. "


@pytest.mark.parametrize(("flash_attn", "evaluated"), [(True, TILE), (False, None)])
def test_a_short_rest_behind_a_long_text_is_evaluated_as_a_tile(
    pocket: Path, on_cpu, ask, flash_attn: bool, evaluated: int | None
) -> None:
    engine = on_cpu(pocket, flash_attn=flash_attn, n_ctx=2048)
    first, more = TALE * 50, "Rosa had a red ball. Rosa lost the ball in the forest. " * 3
    ask(engine, first, temperature=0, max_tokens=1)
    record = ask(engine, first + more, temperature=0, max_tokens=10)
    usage = record.finish.usage
    rest = len(engine.tokenize(first + more)) - len(engine.tokenize(first))
    assert 32 < rest < TILE
    assert usage.prompt_tokens - usage.cached_tokens <= (evaluated or rest + 1)
    assert usage.prompt_tokens - usage.cached_tokens == (evaluated or pytest.approx(rest, abs=1))
