"""The shelf holds what it says, within its bytes, and gives up what was used least recently."""

from __future__ import annotations

from array import array
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from penstock_llamacpp.shelf import Shelf, State

TEXTS = st.lists(st.integers(0, 1), min_size=1, max_size=9).map(lambda ids: array("i", ids))


def state(size: int, mark: int = 0) -> State:
    return np.full(size, mark, np.uint8)


def same(one: array[int], other: array[int], most: int) -> int:
    pairs = zip(one[:most], other[:most], strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(most, len(one), len(other)))


class Shelves(RuleBasedStateMachine):
    """Compares a shelf with a list of what was put there, the latest last."""

    @initialize(room=st.integers(0, 300), whole=st.booleans())
    def make(self, room: int, whole: bool) -> None:
        self.shelf = Shelf(room, whole=whole)
        self.kept: list[tuple[array[int], State]] = []

    def use(self, at: int) -> None:
        self.kept.append(self.kept.pop(at))

    def serves(self, held: array[int], wanted: array[int]) -> bool:
        return held == wanted if self.shelf.whole else held[: len(wanted)] == wanted

    @rule(tokens=TEXTS, size=st.integers(1, 120))
    def put(self, tokens: array[int], size: int) -> None:
        saved, total = state(size, len(self.kept)), size + 4 * len(tokens)
        assert self.shelf.put(tokens, saved) == (total <= self.shelf.room)
        if total > self.shelf.room:
            return
        self.kept = [one for one in self.kept if not self.serves(tokens, one[0])]
        while sum(one.nbytes + 4 * len(key) for key, one in self.kept) + total > self.shelf.room:
            del self.kept[0]
        self.kept.append((tokens, saved))

    @rule(tokens=TEXTS)
    def has(self, tokens: array[int]) -> None:
        at = next((at for at, (held, _) in enumerate(self.kept) if self.serves(held, tokens)), None)
        assert self.shelf.has(tokens) == (at is not None)
        if at is not None:
            self.use(at)

    @rule(tokens=TEXTS, most=st.integers(0, 9), take=st.booleans())
    def longest(self, tokens: array[int], most: int, take: bool) -> None:
        most = min(most, len(tokens))
        counts = [same(held, tokens, most) for held, _ in self.kept]
        if self.shelf.whole:
            pairs = zip(counts, self.kept, strict=True)
            counts = [count * (count == len(held)) for count, (held, _) in pairs]
        found = self.shelf.longest(tokens, most)
        if not any(counts):
            assert found is None
            return
        assert found is not None
        entry, count = found
        assert count == max(counts)
        at = max(at for at in range(len(counts)) if counts[at] == count)
        assert entry.tokens == self.kept[at][0]
        assert entry.state is self.kept[at][1]
        if take:
            self.shelf.touch(entry)
            self.use(at)

    @rule(tokens=TEXTS)
    def known(self, tokens: array[int]) -> None:
        counts = [same(held, tokens, len(tokens)) for held, _ in self.kept]
        assert self.shelf.known(tokens, 0) == max(counts, default=0)
        assert self.shelf.known(tokens, 5) == max([5, *counts])

    @rule(tokens=TEXTS)
    def continuing(self, tokens: array[int]) -> None:
        fit = [held for held, _ in self.kept if held[: len(tokens)] == tokens]
        found = self.shelf.continuing(tokens)
        assert (found and found.tokens) == (fit[-1] if fit else None)

    @rule()
    def clear(self) -> None:
        self.shelf.clear()
        self.kept.clear()

    @invariant()
    def its_bytes_are_those_of_what_it_holds(self) -> None:
        if hasattr(self, "shelf"):
            total = sum(one.nbytes + 4 * len(key) for key, one in self.kept)
            assert self.shelf.bytes == total <= self.shelf.room


test_any_order = Shelves.TestCase


def test_without_room_nothing_is_kept() -> None:
    shelf = Shelf(0)
    assert not shelf.put(array("i", [1, 2]), state(1))
    assert shelf.longest(array("i", [1, 2]), 2) is None


@pytest.mark.parametrize("whole", [False, True])
def test_asking_fifty_long_texts_takes_little(whole: bool) -> None:
    size = 100_000
    shelf, text = Shelf(2**30, whole=whole), np.arange(size, dtype=np.int32)
    for at in range(50):
        held = text.copy()
        held[size - 100 + at] = -1
        shelf.put(array("i", held.tobytes()), state(1))
    tokens = array("i", text.tobytes())
    best = min(_seconds(shelf, tokens) for _ in range(5))
    # A millisecond for 10,000 tokens would be 10 ms.
    assert best < 0.010
    assert (shelf.longest(tokens, size) is None) == whole


def _seconds(shelf: Shelf, tokens: array[int]) -> float:
    began = perf_counter()
    shelf.longest(tokens, len(tokens) - 1)
    shelf.known(tokens, 0)
    return perf_counter() - began


@given(tokens=TEXTS)
def test_a_state_is_used_by_being_asked_for(tokens: array[int]) -> None:
    others = [array("i", [7, at]) for at in range(2)]
    one = 4 * len(tokens) + 40
    shelf = Shelf(one + 2 * 48)
    for text in (tokens, *others):
        shelf.put(text, state(40))
    assert shelf.has(tokens)
    shelf.put(array("i", [8, 8]), state(40))
    assert shelf.has(tokens)
    assert not shelf.has(others[0])
