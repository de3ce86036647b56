"""The context: batches of any company, an abort in the middle, and guards in front of aborts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from penstock.errors import EngineError, ModelClosed
from penstock_llamacpp import devices
from penstock_llamacpp.context import ABORTED, DONE, FULL, Context, Shape
from penstock_llamacpp.library import load_library
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.weights import Weights

TEXT = list(range(260, 300))


@pytest.fixture
def context(tiny: Path) -> Iterator[Context]:
    library, options = load_library(), LoadOptions(n_threads=1, flash_attn=False)
    choice = devices.choose(devices.listed(library), "cpu")
    weights = Weights(library, tiny, options, choice=choice, keep_going=lambda _share: True)
    made = Context(weights, options, 1, Shape(length=1024, cells=2048, sequences=4))
    yield made
    made.close()
    weights.close()


def evaluate(context: Context, *parts: tuple[int, list[int], int]) -> list[np.ndarray]:
    """Evaluate parts (sequence, tokens, position) in one batch; return the logits after each."""
    context.batch.clear()
    rows = [
        context.batch.extend(tokens, position, sequence, output=True)
        for sequence, tokens, position in parts
    ]
    assert context.decode() == DONE
    return [context.logits(row).copy() for row in rows]


def test_rows_of_many_sequences_give_what_each_gives_alone(context: Context) -> None:
    (alone,) = evaluate(context, (0, TEXT, 0))
    context.remove(0, 0)
    others = [(1, TEXT[::-1], 0), (0, TEXT, 0), (3, TEXT[:7], 0)]
    _, among, _ = evaluate(context, *others)
    assert among == pytest.approx(alone, abs=1e-3)


def test_a_copied_beginning_goes_on_like_the_first(context: Context) -> None:
    evaluate(context, (0, TEXT, 0))
    context.copy(0, 2, 20)
    assert (context.last(0), context.last(2)) == (39, 19)
    (copied,) = evaluate(context, (2, TEXT[20:], 20))
    context.remove(0, 20)
    (taken_back,) = evaluate(context, (0, TEXT[20:], 20))
    assert copied == pytest.approx(taken_back, abs=1e-3)


def test_a_saved_state_goes_on_like_the_first(context: Context) -> None:
    evaluate(context, (0, TEXT, 0))
    state = context.save(0)
    assert state is not None
    (wanted,) = evaluate(context, (0, [261], 40))
    assert context.restore(3, state)
    (restored,) = evaluate(context, (3, [261], 40))
    assert restored == pytest.approx(wanted, abs=1e-3)
    assert not context.restore(2, state[: len(state) // 2])
    assert context.last(2) == -1


def test_without_room_nothing_is_lost(context: Context) -> None:
    for sequence in range(2):
        for start in range(0, 1024, 512):
            evaluate(context, (sequence, [270] * 512, start))
    context.batch.clear()
    context.batch.extend(TEXT, 0, 2, output=True)
    assert context.decode() == FULL
    assert (context.last(0), context.last(2)) == (1023, -1)
    context.remove(1, 0)
    assert context.decode() == DONE


def test_an_abort_stops_the_computation_and_is_taken_back(context: Context) -> None:
    context.batch.clear()
    context.batch.extend([270] * 1024, 0, 0, output=True)
    context.abort()
    assert context.decode() == ABORTED
    assert context.last(0) < 1023
    context.resume()
    context.remove(0, 0)
    assert context.decode() == DONE
    assert context.last(0) == 1023


def test_what_would_end_the_process_is_an_error(context: Context) -> None:
    for call in (
        lambda: context.remove(4, 0),
        lambda: context.copy(0, -1, 1),
        lambda: context.last(99),
        lambda: context.save(4),
    ):
        with pytest.raises(EngineError, match="there is no sequence"):
            call()
    evaluate(context, (0, TEXT, 0))
    with pytest.raises(EngineError, match="no logits for row 0"):
        context.logits(0)


def test_a_closed_context_says_so(context: Context) -> None:
    context.close()
    context.close()
    with pytest.raises(ModelClosed):
        context.decode()
