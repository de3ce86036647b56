"""How many prompt tokens go into a step, on made-up measurements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_llamacpp.pace import Pace


def learned(decode: float, token: float, stretch: float = 3.0) -> Pace:
    """A pace that has seen steps of 7 streams, and prompts, that cost exactly so much."""
    pace = Pace(512, 512, stretch)
    for _ in range(40):
        pace.note(7, 0, decode)
        pace.note(7, 64, decode + 64 * token)
    return pace


def test_a_step_takes_as_long_as_it_may() -> None:
    tokens = learned(decode=0.0205, token=0.001).room(7)
    assert tokens == 40
    assert 0.0205 + tokens * 0.001 == pytest.approx(0.0205 * 3, rel=0.05)


def test_alone_a_chunk_takes_about_a_sixth_of_a_second() -> None:
    assert learned(decode=0.020, token=0.001).room(0) == 128
    assert learned(decode=0.020, token=0.0001).room(0) == 512


def test_a_prompt_always_goes_on_and_never_fills_more_than_a_batch() -> None:
    assert learned(decode=0.020, token=1.0).room(7) == 8
    assert learned(decode=0.020, token=1.0).room(0) == 64
    assert learned(decode=1.0, token=1e-6).room(7) == 512


def test_among_others_a_chunk_may_have_to_be_smaller() -> None:
    pace = Pace(512, 48, 3.0)
    for _ in range(40):
        pace.note(7, 0, 1.0)
        pace.note(7, 48, 1.001)
    assert pace.room(7) == 48
    assert pace.room(0) == 512


def test_it_follows_a_prompt_that_becomes_dearer() -> None:
    pace = learned(decode=0.020, token=0.001)
    for _ in range(20):
        pace.note(7, 40, 0.020 + 40 * 0.002)
    assert pace.room(7) == 16


def test_what_is_left_behind_a_step_is_what_it_may_take_less_what_it_took() -> None:
    assert learned(decode=0.020, token=0.001).rest(7, 0.025) == pytest.approx(0.035)
    assert learned(decode=0.020, token=0.001).rest(7, 0.090) == pytest.approx(0.004)
    assert learned(decode=0.020, token=0.001).rest(0, 0.0) == pytest.approx(0.15)


def test_steps_beside_a_prompt_tell_that_the_texts_have_grown() -> None:
    pace = learned(decode=0.020, token=0.001)
    pace.note_beside(7, 0.024)
    assert pace.rest(7, 0.024) == pytest.approx(0.036)
    for _ in range(40):
        pace.note_beside(7, 0.080)
    assert pace.rest(7, 0.080) == pytest.approx(0.100, rel=0.01)


def test_where_only_such_steps_were_seen_they_count() -> None:
    pace = Pace(512, 48, 2.5)
    pace.note_beside(7, 0.040)
    assert pace.rest(7, 0.040) == pytest.approx(0.035)


def test_before_anything_is_known_it_is_careful() -> None:
    assert Pace(512, 512, 3.0).room(7) == 8
    assert Pace(512, 512, 3.0).room(0) == 128


@given(
    st.lists(st.tuples(st.integers(0, 16), st.integers(0, 600), st.floats(0, 10)), max_size=30),
    st.integers(0, 16),
)
def test_whatever_was_measured_a_share_is_possible(
    steps: list[tuple[int, int, float]], decoding: int
) -> None:
    pace = Pace(512, 48, 3.5)
    for step in steps:
        pace.note(*step)
    assert 1 <= pace.room(decoding) <= (48 if decoding else 512)
