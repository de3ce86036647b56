"""Anything may happen in any order: the laws hold, and no sequence is lost."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from penstock.errors import ContextOverflow, ModelClosed, QueueFull
from penstock.testing import Record

DRAGON = "a tiny dragon sat by the fire."
PROMPTS = (
    f"Mia and {DRAGON}",
    f"Mia and {DRAGON} It was raining. Tom stayed at home and",
    f"Mia and {DRAGON} Every morning Otto fed the birds.",
    f"Ruth and {DRAGON}",
    "It was raining. Tom stayed at home and",
    "Rosa had a red ball. Rosa lost the ball in the forest.",
    f"Otto and {DRAGON} " * 14 + "Rosa had a red ball. Rosa lost the ball in the forest.",
    f"Otto and {DRAGON} " * 14 + "It was raining. Tom stayed at home and",
)
LONG = "and so on " * 200
LENGTHS = (1, 7, 40, 150)
MARGIN = 0.15
"""Two tokens 0.144 apart have changed places, behind an end that is banned and far likelier."""
EXAMPLES = int(os.environ.get("PENSTOCK_EXAMPLES", "25"))


@pytest.fixture(scope="module")
def wanted(pocket: Path, load_engine, ask, certain) -> dict[str, list[int]]:
    """What each prompt gives alone, as far as it does not depend on the last bits."""
    options = {"temperature": 0, "ignore_eos": True, "max_tokens": max(LENGTHS), "logprobs": 4}
    engine = load_engine(pocket, flash_attn=False, parallel=1, reuse_prefix=False)
    try:
        found = {prompt: certain(ask(engine, prompt, **options), MARGIN) for prompt in PROMPTS}
    finally:
        engine.close()
    assert sum(map(len, found.values())) > 250
    return found


def test_any_order(  # noqa: C901  # a machine is its rules
    pocket: Path, load_engine, submit, wanted: dict[str, list[int]]
) -> None:
    class Machine(RuleBasedStateMachine):
        running = Bundle("running")

        def __init__(self) -> None:
            super().__init__()
            self.records: dict[Record, tuple[str, int]] = {}
            self.closed = False

        @initialize(
            parallel=st.integers(1, 4),
            cells=st.sampled_from([512, 2048]),
            cache=st.sampled_from([0, 300_000, 2**29]),
        )
        def load(self, parallel: int, cells: int, cache: int) -> None:
            self.engine = load_engine(
                pocket,
                parallel=parallel,
                flash_attn=False,
                queue_limit=6,
                n_ctx=512,
                n_cells=cells,
                cache_bytes=cache,
            )

        @rule(target=running, prompt=st.sampled_from(PROMPTS), most=st.sampled_from(LENGTHS))
        def submit(self, prompt: str, most: int) -> Record | None:
            options = {"temperature": 0, "ignore_eos": True, "max_tokens": most}
            before = sum(not record.ended for record in self.records)
            try:
                record = submit(self.engine, prompt, **options)
            except QueueFull:
                assert before >= 6
                return None
            self.records[record] = prompt, most
            return record

        @rule()
        def submit_what_fails(self) -> None:
            with pytest.raises((ContextOverflow, QueueFull)):
                submit(self.engine, LONG, max_tokens=5).wait()

        @rule(record=running)
        def hold(self, record: Record | None) -> None:
            if record is not None:
                record.hold()

        @rule(record=running)
        def go_on(self, record: Record | None) -> None:
            if record is not None:
                record.go_on()

        @rule(record=consumes(running))
        def leave(self, record: Record | None) -> None:
            if record is not None:
                record.leave()
                record.wait()

        @rule(record=consumes(running))
        def wait(self, record: Record | None) -> None:
            if record is not None:
                record.go_on()
                record.wait()

        @rule(seconds=st.sampled_from([0.0, 0.001, 0.01, 0.3]))
        def let_time_pass(self, seconds: float) -> None:
            time.sleep(seconds)

        @invariant()
        def tokens_are_those_of_alone(self) -> None:
            for record, (prompt, most) in self.records.items():
                ended, ids = record.ended, record.ids  # in this order: it goes on meanwhile
                assert ids[: len(wanted[prompt])] == wanted[prompt][: len(ids)]
                assert len(ids) <= most
                assert record.endings <= 1
                assert record.error is None
                if ended and not record.left:
                    assert len(ids) == most
                    assert record.finish is not None

        def teardown(self) -> None:
            if not hasattr(self, "engine"):
                return
            for record in list(self.records)[::2]:
                record.go_on()
                record.wait()
            for record in list(self.records)[1::2]:
                record.leave()
                record.wait()
            self.tokens_are_those_of_alone()
            held = self.engine.occupancy()
            assert (held.live, held.live_tokens) == (0, 0)
            assert self.engine.activity().running == 0
            self.engine.close()
            assert all(record.endings == 1 for record in self.records)
            with pytest.raises(ModelClosed):
                submit(self.engine, PROMPTS[0], max_tokens=1)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
