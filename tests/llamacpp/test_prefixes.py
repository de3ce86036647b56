"""How much of a text another begins with."""

from __future__ import annotations

from array import array
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st
from penstock_llamacpp.prefixes import begins, shared

FEW = st.lists(st.integers(0, 1), max_size=12).map(lambda ids: array("i", ids))
SIZES = st.sampled_from([0, 1, 63, 64, 65, 319, 320, 321, 1343, 1344, 1345, 6000])


def counted(one: array[int], other: array[int], most: int) -> int:
    size = min(most, len(one), len(other))
    return next((at for at in range(size) if one[at] != other[at]), max(0, size))


@given(one=FEW, other=FEW, most=st.integers(-1, 14), beyond=st.integers(0, 14))
def test_it_counts_what_is_the_same(
    one: array[int], other: array[int], most: int, beyond: int
) -> None:
    count = counted(one, other, most)
    assert shared(one, other, most) == count
    assert shared(one, other, most, beyond=beyond) == (count if count > beyond else 0)


@given(same=SIZES, more=SIZES, beyond=SIZES)
def test_the_first_that_differs_is_found_in_any_block(same: int, more: int, beyond: int) -> None:
    one = array("i", range(same + 1 + more))
    other = array("i", one)
    other[same] = -1
    assert shared(one, other, len(one)) == same
    assert shared(one, one, len(one)) == len(one)
    assert shared(one, other, len(one), beyond=beyond) == (same if same > beyond else 0)


@given(tokens=FEW, start=FEW)
def test_a_text_begins_with_another(tokens: array[int], start: array[int]) -> None:
    assert begins(tokens, start) == (tokens[: len(start)] == start)


def test_nothing_holds_the_texts_when_it_is_over() -> None:
    one, other = array("i", range(500)), array("i", range(500))
    assert shared(one, other, 500) == 500
    one.append(1)
    other.append(1)


def test_texts_that_differ_early_cost_nothing() -> None:
    one = array("i", range(1_000_000))
    other = array("i", [0, *[-1] * 999_999])
    began = perf_counter()
    for _ in range(1_000):
        shared(one, other, len(one))
    assert perf_counter() - began < 0.25
