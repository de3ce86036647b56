"""A shortlist holds the likeliest tokens, whatever the logits are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_llamacpp.candidates import LEAST, Candidates, shortlist


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6000),
    st.integers(1, 700),
    st.sampled_from([0.0, 0.5, 5.0]),
    st.booleans(),
)
def test_the_likeliest_are_on_the_shortlist(seed, size, count, spread, whole) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, spread, size).astype(np.float32)
    if whole:
        logits = np.round(logits)  # so that many are equal
    found = shortlist(logits, count)
    kept, others = logits[found], np.delete(logits, found)
    assert found.tolist() == sorted(set(found.tolist()))
    assert len(kept) >= min(count, size)
    assert np.sort(kept)[::-1][:count] == pytest.approx(np.sort(logits)[::-1][:count])
    assert others.max(initial=-np.inf) <= kept.max()


def test_a_shortlist_is_short() -> None:
    logits = np.random.default_rng(3).normal(0, 4, 150_000).astype(np.float32)
    assert len(shortlist(logits, 40)) < 80


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_what_is_impossible_is_never_on_it(seed, count) -> None:
    draw = np.random.default_rng(seed)
    logits = np.full(5000, -np.inf, np.float32)
    possible = draw.choice(5000, draw.integers(1, 50), replace=False)
    logits[possible] = LEAST
    assert set(shortlist(logits, count)) == set(possible)


def test_what_is_below_the_least_is_never_on_it() -> None:
    logits = np.arange(4000, dtype=np.float32)
    assert shortlist(logits, 100, 3995.0).tolist() == [3995, 3996, 3997, 3998, 3999]


def test_candidates_are_used_again() -> None:
    candidates = Candidates(8)
    candidates.put(np.array([5, 6, 7]), np.array([1, 2, 3], np.float32))
    candidates.put(np.array([3]), np.array([0.5], np.float32))
    assert candidates.logits().tolist() == [0.5]
