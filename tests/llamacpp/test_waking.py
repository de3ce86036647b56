"""When readers are woken: together, and no more often than the beat."""

from __future__ import annotations

from penstock_llamacpp.waking import Waking


class Sleeper:
    """Counts how often it is woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_readers_are_woken_by_the_beat_and_once() -> None:
    waking, one, other = Waking(0.010), Sleeper(), Sleeper()
    for step in range(1, 31):
        waking.note(one)
        waking.note(other)
        waking.step(100 + step * 0.001, urgent=False)
    # At 1 ms, since the last time was long ago, and then at 11 and 21.
    assert (one.woken, other.woken) == (3, 3)


def test_what_is_urgent_wakes_at_once() -> None:
    waking, reader = Waking(0.010), Sleeper()
    for step in range(5):
        waking.note(reader)
        waking.step(100 + step * 0.001, urgent=True)
    assert reader.woken == 5


def test_who_was_not_delivered_to_sleeps_on() -> None:
    waking, reader, idle = Waking(0.0), Sleeper(), Sleeper()
    waking.note(reader)
    waking.now()
    waking.now()
    assert (reader.woken, idle.woken) == (1, 0)


def test_a_slow_step_wakes_every_time() -> None:
    waking, reader = Waking(0.010), Sleeper()
    for step in range(5):
        waking.note(reader)
        waking.step(100 + step * 0.050, urgent=False)
    assert reader.woken == 5
