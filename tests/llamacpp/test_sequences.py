"""Whatever comes and goes: a prompt is given what was evaluated of it, and nothing else."""

from __future__ import annotations

from array import array
from time import perf_counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from penstock_llamacpp.held import Held
from penstock_llamacpp.sequences import Sequences
from penstock_llamacpp.shelf import Shelf, State

TAIL = 8
"""What a checkpoint leaves out of a prompt."""


class Tape:
    """A memory of tokens: what each sequence has read, and how far back it remembers.

    `kind` is "plain", "recurrent" or "windowed". With a window, the tokens before `since` are gone:
    from a state that was saved, and wherever a test says so.
    """

    window = 6

    def __init__(self, kind: str, room: int, cells: int) -> None:
        self.kind = kind
        self.cells = cells
        self.read: list[list[int]] = [[] for _ in range(room)]
        self.since = [0] * room
        self.copied = 0
        self.saves = 0

    @property
    def free(self) -> int:
        """Cells that are left, if shared ones counted for each."""
        return self.cells - sum(map(len, self.read))

    def write(self, sequence: int, tokens: array[int], at: int) -> None:
        assert len(self.read[sequence]) == at, "a gap, or tokens that were there already"
        assert self.since[sequence] <= max(0, at - self.window), "what it looks at is gone"
        self.read[sequence].extend(tokens)

    def forget_far(self, sequence: int) -> None:
        last = len(self.read[sequence])
        self.since[sequence] = max(self.since[sequence], last - self.window)

    def reaches(self, sequence: int, count: int) -> bool:
        if self.kind == "recurrent":
            return False
        return self.since[sequence] <= max(0, count - self.window)

    def remove(self, sequence: int, start: int) -> bool:
        if start and not self.reaches(sequence, start):
            return False
        del self.read[sequence][start:]
        if not start:
            self.since[sequence] = 0
        return True

    def copy(self, source: int, target: int, count: int) -> None:
        assert source != target
        assert not self.read[target], "it held something"
        whole = count == len(self.read[source])
        assert count <= len(self.read[source])
        assert whole or self.reaches(source, count)
        self.read[target] = self.read[source][:count]
        self.since[target] = self.since[source]
        self.copied += count

    def save(self, sequence: int) -> State | None:
        assert self.read[sequence], "there is nothing to save"
        self.saves += 1
        return np.array(self.read[sequence], np.int32).view(np.uint8)

    def restore(self, sequence: int, state: State) -> bool:
        assert not self.read[sequence], "it held something"
        tokens = state.view(np.int32).tolist()
        # Cells that are shared take room once.
        if len(tokens) > self.free + self.copied:
            return False
        self.read[sequence] = tokens
        if self.kind == "windowed":
            self.forget_far(sequence)
        return True


def texts(most: int) -> st.SearchStrategy[array[int]]:
    """Texts that often begin alike."""
    parts = st.sampled_from([[1] * 20, [2] * 20, [1] * 40, [3], [4, 5], [6] * 33])
    return st.lists(parts, min_size=1, max_size=most).map(
        lambda found: array("i", [token for part in found for token in part])
    )


class Machine(RuleBasedStateMachine):
    """Claims, evaluates and releases sequences in any order."""

    live = Bundle("live")

    @initialize(
        kind=st.sampled_from(["plain", "recurrent", "windowed"]),
        parallel=st.integers(1, 4),
        shelf=st.sampled_from([0, 500, 10_000]),
        reuse=st.sampled_from([True, True, True, False]),
        usually=st.booleans(),
        cells=st.sampled_from([300, 100_000]),
    )
    def make(
        self, kind: str, parallel: int, shelf: int, reuse: bool, usually: bool, cells: int
    ) -> None:
        self.parallel, self.reuse = parallel, reuse
        self.memory = Tape(kind, parallel + 2, cells)
        self.shelf = Shelf(shelf, whole=kind != "plain")
        rewinds = kind == "plain" or (kind == "windowed" and usually)
        self.sequences = Sequences(
            self.memory, parallel + 2, self.shelf, rewinds=rewinds, reuse=reuse
        )
        self.running: list[Held] = []

    @rule(target=live, tokens=texts(5), chunks=st.lists(st.integers(1, 90), max_size=3))
    def start(self, tokens: array[int], chunks: list[int]):
        """Claim a sequence, and evaluate a part of the prompt."""
        if len(self.running) == self.parallel:
            return multiple()
        most = max((self.has(held, tokens) for held in self.sequences._held.values()), default=0)
        held = self.sequences.claim(tokens)
        assert held not in self.running
        assert held.id not in [other.id for other in self.running]
        assert held.live
        assert held.tokens is tokens
        assert held.count <= len(tokens) - 1
        assert not held.count or self.reuse
        # Fewer are not worth a copy.
        assert held.count >= most - 16 or not self.reuse
        self.running.append(held)
        for count in chunks:
            self.evaluate(held, count)
        return held

    def has(self, held: Held, tokens: array[int]) -> int:
        read, most = self.memory.read[held.id], len(tokens) - 1
        pairs = zip(read, tokens[:most], strict=False)
        count = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(read), most))
        whole = count == len(read)
        return count if whole or self.memory.reaches(held.id, count) else 0

    def evaluate(self, held: Held, count: int) -> None:
        count = held.until_mark(min(count, len(held.tokens) - held.count))
        tokens = held.tokens[held.count : held.count + count]
        self.memory.write(held.id, tokens, held.count)
        held.count += count
        self.sequences.mark(held)
        if held.count in held.marks:
            kept = [one for one in self.sequences._held.values() if not one.live]
            assert held.tokens[: held.count] in [one.tokens for one in kept]

    @rule(held=live, more=texts(1))
    def generate(self, held: Held, more: array[int]) -> None:
        """Evaluate the rest of the prompt, and an answer but for its last token."""
        while held.count < len(held.tokens):
            self.evaluate(held, len(held.tokens))
        for token in more:
            self.evaluate(held, 1)
            held.tokens.append(token)

    @rule(held=consumes(live))
    def release(self, held: Held) -> None:
        self.running.remove(held)
        self.sequences.release(held)

    @rule(target=live, held=consumes(live), more=texts(1))
    def go_on(self, held: Held, more: array[int]):
        """Release a sequence, and ask for what follows it."""
        self.release(held)
        return self.start(held.tokens + more, [])

    @rule(most=st.integers(0, 200))
    def make_room(self, most: int) -> None:
        self.sequences.spill(most)
        idle = [held for held in self.sequences._held.values() if not held.live]
        stays = not self.shelf.room or all(held.bulky for held in idle)
        assert stays or self.sequences.idle_tokens <= most
        oldest = min(idle, key=lambda held: held.used, default=None)
        assert self.sequences.evict() == bool(idle)
        assert oldest not in self.sequences._held.values()

    @precondition(lambda self: self.memory.kind == "windowed")
    @rule(sequence=st.integers(0, 2))
    def overwrite_what_a_window_has_passed(self, sequence: int) -> None:
        self.memory.forget_far(sequence)

    @precondition(lambda self: self.sequences.occupancy().idle)
    @rule(tokens=texts(2))
    def export(self, tokens: array[int]) -> None:
        found = self.sequences.export(tokens)
        if found is not None:
            held, state = found
            assert state.view(np.int32).tolist() == held.tolist()
            few = min(len(held), len(tokens))
            assert held[:few] == tokens[:few]

    @precondition(lambda self: self.sequences.occupancy().idle > 2)
    @rule(draw=st.integers(0, 5))
    def distrust(self, draw: int) -> None:
        if draw:  # seldom
            return
        self.memory.read = [[-1] for _ in self.memory.read]
        self.sequences.distrust()
        assert self.sequences.occupancy().idle == 0
        assert not any(self.memory.read[held.id] for held in self.running)
        self.memory.read = [[] for _ in self.memory.read]

    @invariant()
    def a_sequence_holds_what_it_says(self) -> None:
        if not hasattr(self, "sequences"):
            return
        held = self.sequences._held
        assert len(held) + len(self.sequences._free) == len(self.memory.read)
        assert {one.id for one in held.values()}.isdisjoint(self.sequences._free)
        for one in held.values():
            assert self.memory.read[one.id] == one.tokens[: one.count].tolist()
            assert one.live == (one in self.running)
        for free in self.sequences._free:
            assert not self.memory.read[free]
        for entry in self.shelf._entries.values():
            assert entry.state.view(np.int32).tolist() == entry.tokens.tolist()
        assert self.shelf.bytes <= self.shelf.room

    def teardown(self) -> None:
        if hasattr(self, "sequences"):
            for held in self.running:
                self.sequences.release(held)
            self.sequences.clear()
            assert not any(self.memory.read)
            occupancy = self.sequences.occupancy()
            assert (occupancy.live, occupancy.idle, occupancy.shelf_bytes) == (0, 0, 0)


TestAnyOrder = Machine.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class Bench:
    """Sequences over a tape, with what a stream does to them."""

    def __init__(
        self, kind: str = "plain", room: int = 6, shelf: int = 2**20, least: int = 1
    ) -> None:
        self.memory = Tape(kind, room, 10**9)
        self.shelf = Shelf(shelf, whole=kind != "plain")
        self.sequences = Sequences(
            self.memory,
            room,
            self.shelf,
            rewinds=kind != "recurrent",
            reuse=True,
            plain=kind == "plain",
            least=least,
        )

    def start(self, *tokens: int) -> tuple[Held, int]:
        """Evaluate a prompt; return its sequence, and how many tokens were found."""
        held = self.sequences.claim(array("i", tokens))
        found = held.count
        while held.count < len(held.tokens):
            count = held.until_mark(len(held.tokens) - held.count)
            new = held.tokens[held.count : held.count + count]
            self.memory.write(held.id, new, held.count)
            held.count += count
            self.sequences.mark(held)
        return held, found

    def run(self, *tokens: int) -> int:
        """Evaluate a prompt and release it; return how many tokens were found."""
        held, found = self.start(*tokens)
        self.sequences.release(held)
        return found


RULES, STORY = [1] * 50, [2] * 50


@pytest.mark.parametrize("kind", ["plain", "recurrent", "windowed"])
def test_a_text_that_goes_on_is_taken_over(kind: str) -> None:
    bench = Bench(kind)
    assert bench.run(*RULES) == 0
    assert bench.run(*RULES, 3, 4) == 50
    assert bench.run(*RULES, 3, 4, 5) == 52


def test_what_is_shared_is_copied() -> None:
    bench = Bench()
    first, _ = bench.start(*RULES, *STORY)
    second, found = bench.start(*RULES, 3)
    assert found == 50
    assert first.id != second.id
    assert bench.memory.copied == 50


def test_what_is_not_worth_it_is_evaluated_again() -> None:
    bench = Bench(least=60)
    bench.run(*RULES, *STORY)
    assert bench.run(*RULES, 3) == 0
    assert bench.run(*RULES, *STORY[:9], 3) == 0
    assert bench.run(*RULES, *STORY[:10], 3) == 60
    bench.sequences.spill(0)
    assert bench.run(*RULES, 4) == 0
    assert bench.run(*RULES, *STORY, 4) == 100


def test_what_is_in_use_can_be_looked_for_again() -> None:
    bench = Bench()
    one, _ = bench.start(*RULES, *STORY)
    two = bench.sequences.claim(array("i", [*RULES, *STORY, 3]))
    bench.sequences.rewind(two, 20)
    two = bench.sequences.renew(two)
    assert (two.count, two.live, one.count) == (100, True, 100)
    assert bench.sequences.occupancy().live == 2


def test_a_state_from_elsewhere_takes_the_place_of_what_is_there() -> None:
    bench = Bench(room=3)
    bench.run(*STORY)
    held, _ = bench.start(*RULES, 3)
    state = np.array([*RULES, 3], np.int32).view(np.uint8)
    bench.memory.cells = 60  # the kept one must make way
    assert bench.sequences.replace(held, 51, state)
    assert (held.count, bench.sequences.occupancy().idle) == (51, 0)
    bench.memory.cells = 10
    assert not bench.sequences.replace(held, 51, state)
    assert held.count == 0


def test_each_kept_one_is_copied_to_the_shelf_once() -> None:
    bench = Bench()
    bench.run(*RULES)
    bench.run(*STORY)
    saves = []
    while bench.sequences.uncopied:
        bench.sequences.copy_one()
        saves.append(bench.memory.saves)
    assert saves == [1, 2]
    bench.sequences.spill(0)
    assert bench.memory.saves == 2
    assert bench.run(*RULES, 3) == 50


def test_a_recurrent_prompt_leaves_a_copy_before_its_end() -> None:
    bench = Bench("recurrent")
    held, _ = bench.start(*RULES)
    held.tokens.extend([7] * 5)
    bench.sequences.release(held)
    assert bench.run(*RULES) == len(RULES) - TAIL
    assert bench.run(*RULES[:-3], 9, 9, 9) == len(RULES) - TAIL


def test_a_recurrent_prompt_leaves_a_copy_where_it_branches_off() -> None:
    bench = Bench("recurrent")
    assert bench.run(*RULES, *STORY) == 0
    assert bench.run(*RULES, *STORY[:1], *[3] * 30) == 0
    for other in (4, 5, 6):
        assert bench.run(*RULES, *[other] * 30) == 51 - TAIL


def test_a_copy_serves_many_and_is_made_once() -> None:
    bench = Bench("recurrent")
    bench.run(*RULES)
    bench.run(*RULES)
    held = [bench.start(*RULES) for _ in range(3)]
    assert [found for _, found in held] == [len(RULES) - TAIL] * 3
    copies = [one for one in bench.sequences._held.values() if one.checkpoint]
    assert len(copies) == 1


def test_no_copies_are_made_where_tokens_can_be_taken_back() -> None:
    bench = Bench("plain")
    held = bench.sequences.claim(array("i", RULES))
    assert held.marks == ()


def test_the_same_answer_twice_is_held_once() -> None:
    bench = Bench()
    for _ in range(4):
        bench.run(*RULES, *STORY)
    assert bench.sequences.occupancy().idle == 1


def test_what_a_window_has_passed_is_not_used() -> None:
    bench = Bench("windowed")
    bench.run(*RULES, *STORY)
    assert bench.run(*RULES, 3) == 50
    for sequence in range(6):
        bench.memory.forget_far(sequence)
    assert bench.run(*RULES[:30], *[4] * 30) == 0
    assert bench.run(*RULES, *STORY, 5) == 100


def test_from_the_shelf_comes_what_is_worth_it() -> None:
    bench = Bench(shelf=2**20)
    bench.run(*RULES, *STORY * 40)
    bench.sequences.spill(0)
    assert bench.sequences.occupancy().idle == 0
    assert bench.run(*RULES, 3) == 0, "2,050 tokens were restored for the sake of 50"
    bench.sequences.spill(0)
    assert bench.run(*RULES, *STORY * 40, 3) == 2050


def test_room_is_made_for_what_comes_from_the_shelf() -> None:
    bench = Bench()
    bench.run(*RULES)
    bench.sequences.spill(0)
    bench.run(*STORY)
    bench.memory.cells = 60
    assert bench.run(*RULES, 3) == 50


def test_without_room_for_it_the_prompt_is_evaluated() -> None:
    bench = Bench()
    bench.run(*RULES)
    bench.sequences.spill(0)
    running, _ = bench.start(*STORY)
    bench.memory.cells = 60
    held, found = bench.start(*RULES, 3)
    assert found == 0
    assert held.id != running.id
    assert bench.sequences.occupancy().live == 2


def test_what_is_copied_from_is_not_evicted_for_the_copy() -> None:
    bench = Bench(room=3, shelf=0)
    bench.run(*RULES, 3)
    for other in (4, 5):
        bench.run(*[other] * 50)
    assert bench.run(*RULES, 6) == 50


def test_what_is_here_is_not_given_up_for_what_does_not_fit() -> None:
    bench = Bench()
    bench.run(*RULES, *STORY)
    bench.sequences.spill(0)
    bench.run(*RULES, 3)
    bench.sequences.spill(60)
    bench.memory.cells = 90
    assert bench.run(*RULES, *STORY, 4) == 50


def test_what_the_shelf_has_is_not_saved_again() -> None:
    bench = Bench("recurrent")
    bench.run(*RULES)
    bench.sequences.spill(0)
    saves, size = bench.memory.saves, bench.shelf.bytes
    held = bench.sequences.claim(array("i", [*RULES, 3]))
    assert held.count == len(RULES)
    bench.sequences.release(held)
    bench.sequences.spill(0)
    assert (bench.memory.saves, bench.shelf.bytes) == (saves, size)


@pytest.mark.parametrize("kind", ["plain", "recurrent"])
def test_a_long_prompt_finds_its_place_quickly(kind: str) -> None:
    size = 100_000
    bench, text = Bench(kind, room=12, shelf=2**30), list(range(size))
    for at in range(60):
        changed = [*text[: size - 200 + at], -1, *text[size - 199 + at :]]
        bench.shelf.put(array("i", changed), np.array(changed, np.int32).view(np.uint8))
    for at in range(6):
        bench.run(*text[: size - 50 + at], -1, *text[size - 49 + at :])
    tokens, best = array("i", text), 1.0
    for _ in range(5):
        began = perf_counter()
        held = bench.sequences.claim(tokens)
        best = min(best, perf_counter() - began)
        bench.sequences.drop(held)
    # Of which most is the copy that the tape makes.
    assert best < 0.020
