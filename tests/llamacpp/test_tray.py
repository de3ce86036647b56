"""States on their way from one context to another."""

from __future__ import annotations

import numpy as np
from penstock_llamacpp.shelf import State
from penstock_llamacpp.tray import Tray


class Store:
    """A context whose states are as large as it says, and hold the number of their sequence."""

    def __init__(self, size: int, *, fails: bool = False) -> None:
        self.size, self.fails = size, fails

    def state_bytes(self, _sequence: int) -> int:
        return self.size

    def save_into(self, sequence: int, state: State) -> bool:
        assert len(state) == self.size
        state[:] = sequence
        return not self.fails


def test_a_state_is_taken_and_its_memory_kept_for_the_next() -> None:
    tray = Tray()
    large = tray.take(Store(10_000_000), 7)
    assert large is not None
    assert (len(large), large.min(), large.max()) == (10_000_000, 7, 7)
    small = tray.take(Store(100), 3)
    assert small is not None
    assert np.shares_memory(small, large)


def test_while_memory_is_found_others_are_let_through() -> None:
    tray, breaths = Tray(), []
    tray.take(Store(10_000_000), 1, lambda: breaths.append(1))
    assert len(breaths) == 3
    tray.take(Store(10_000_000), 2, lambda: breaths.append(1))
    assert len(breaths) == 3


def test_what_cannot_be_saved_or_has_no_room_is_none() -> None:
    assert Tray().take(Store(100, fails=True), 1) is None
    assert Tray().take(Store(2**62), 1) is None
