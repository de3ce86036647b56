"""Prefixes are used again with every kind of memory, and never change a text."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from penstock.testing import Record
from penstock_llamacpp.context import ABORTED, DONE, Context, Shape
from penstock_llamacpp.engine import LlamaCppEngine
from penstock_llamacpp.testing import FaultyContext

from .models import KINDS, WINDOW

EXACT = {"flash_attn": False, "type_k": "f32", "type_v": "f32"}
"""What keeps logits nearly the same in any company: to some thousandths."""

MARGIN = 0.04
ANSWER = 40
TAIL = 8
"""Tokens before the end of a prompt where a checkpoint is made."""

STORY = "Mia and a tiny dragon sat by the fire, and it was raining all day long. "
RULES = "You are a careful clerk. Answer in one short sentence, and never make anything up. "

VARIANTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "recurrent": ("recurrent", {}),
    "hybrid": ("hybrid", {}),
    "windowed": ("windowed", {"swa_full": True}),
    "narrow": ("windowed", {"swa_full": False}),
}


@dataclass(slots=True)
class Variant:
    """A model, the options of its memory, and what it says without any reuse."""

    name: str
    path: Path
    options: Mapping[str, object]
    engine: LlamaCppEngine
    ask: Callable[..., Record]
    certain: Callable[[Record, float], list[int]]
    said: dict[str, tuple[Record, int]] = field(default_factory=dict)

    @property
    def checkpoints(self) -> bool:
        """Whether tokens cannot be taken back from its memory."""
        return self.name != "windowed"

    def alone(self, prompt: str) -> tuple[Record, int]:
        """Return the answer without company or reuse, and how many tokens of it are certain."""
        if prompt not in self.said:
            record = self.ask(self.engine, prompt, **greedy(ANSWER))
            self.said[prompt] = record, len(self.certain(record, MARGIN))
        return self.said[prompt]

    def assert_right(self, record: Record, prompt: str) -> int:
        """Compare ids and logarithms of probabilities, as far as they are no matter of chance."""
        wanted, certain = self.alone(prompt)
        compared = min(certain, len(record.ids))
        assert record.ids[:compared] == wanted.ids[:compared], prompt
        for own, other in zip(record.tokens[:compared], wanted.tokens, strict=False):
            assert own.logprob.logprob == pytest.approx(other.logprob.logprob, abs=MARGIN / 2)
        return compared


def greedy(tokens: int = ANSWER) -> dict[str, object]:
    return {"temperature": 0, "ignore_eos": True, "max_tokens": tokens, "logprobs": 4}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    load_engine,
    ask,
    certain,
) -> Iterator[Variant]:
    kind, options = VARIANTS[request.param]
    path = KINDS[kind](tmp_path_factory.mktemp("memories") / f"{kind}.gguf")
    engine = load_engine(path, device="cpu", **EXACT, **options, parallel=1, reuse_prefix=False)
    yield Variant(request.param, path, options, engine, ask, certain)
    engine.close()


@pytest.fixture
def fresh(on_cpu):
    """What is compared to some thousandths is computed as exactly: a GPU strays by hundredths."""
    return on_cpu


@pytest.fixture
def engine(variant: Variant, fresh) -> Callable[..., LlamaCppEngine]:
    """`engine(**options)` loads the model of the variant; it is closed when the test ends."""

    def load(**options: object) -> LlamaCppEngine:
        return fresh(variant.path, **EXACT | variant.options | options)

    return load


@pytest.fixture
def say(variant: Variant, ask) -> Callable[..., Record]:
    """`say(engine, prompt)` asks, and compares with the answer of the model alone."""

    def say(engine: LlamaCppEngine, prompt: str, tokens: int = ANSWER) -> Record:
        record = ask(engine, prompt, **greedy(tokens))
        variant.assert_right(record, prompt)
        return record

    return say


def cached(record: Record) -> int:
    return record.finish.usage.cached_tokens


def size(record: Record) -> int:
    return record.finish.usage.prompt_tokens


def text(record: Record) -> str:
    return record.data.decode()


def wait_for(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.0002)


def test_the_model_is_sure_of_enough(variant: Variant) -> None:
    assert sum(variant.alone(STORY + str(number))[1] for number in range(8)) > 4 * ANSWER


@pytest.mark.parametrize("cache_bytes", [0, 2**29])
@pytest.mark.parametrize("parallel", [1, 2, 3, 4])
def test_a_conversation_evaluates_only_what_is_new(
    engine, say, parallel: int, cache_bytes: int
) -> None:
    model, prompt, held = engine(parallel=parallel, cache_bytes=cache_bytes), STORY, 0
    for turn in range(6):
        record = say(model, prompt)
        assert cached(record) == held
        held = size(record) + len(record.ids) - 1
        prompt += text(record) + f" And then, turn {turn}? "


def test_the_same_again_evaluates_only_its_end(engine, say) -> None:
    model = engine()
    say(model, STORY)
    for _ in range(4):
        record = say(model, STORY)
        assert cached(record) >= size(record) - TAIL


@pytest.mark.parametrize("kept", [0, 1, 7, ANSWER - 1])
def test_an_answer_that_comes_back_changed_costs_little_more_than_itself(
    engine, say, kept: int
) -> None:
    model = engine()
    first = say(model, STORY)
    second = say(model, STORY + text(first)[:kept] + "? What happened after that? ")
    assert cached(second) >= size(first) - TAIL


def test_a_changed_question_costs_little_more_than_itself(engine, say) -> None:
    model = engine()
    first = say(model, RULES + "Who is Mia? ")
    shared = len(RULES)
    # The first that differs finds where it differs, and leaves a checkpoint there.
    say(model, RULES + "Is the dragon old? ")
    for question in ("Does it rain? ", "Where is the fire? ", "Why? "):
        record = say(model, RULES + question)
        assert cached(record) >= shared - TAIL
    assert size(first) > shared


def test_other_conversations_in_between_change_nothing(engine, say, variant: Variant) -> None:
    model = engine(parallel=2)
    prompts = [f"{number} {STORY}" for number in range(5)]
    for turn in range(3):
        for at, prompt in enumerate(prompts):
            record = say(model, prompt)
            assert (cached(record) > 0) == (turn > 0)
            prompts[at] += text(record) + f" And {turn}? "
    assert model.occupancy().live == 0


@pytest.mark.parametrize("cache_bytes", [0, 2**29])
def test_a_beginning_is_shared_with_one_that_still_runs(
    engine, submit, variant: Variant, cache_bytes: int
) -> None:
    model = engine(parallel=4, cache_bytes=cache_bytes)
    for _ in range(3):
        first = submit(model, RULES + STORY, **greedy(600))
        wait_for(lambda first=first: len(first.tokens) > 5)
        prompts = [RULES + STORY, RULES + STORY + "Yes? ", RULES + "No? " + STORY]
        records = [submit(model, prompt, **greedy()) for prompt in prompts]
        for record, prompt in zip(records, prompts, strict=True):
            record.wait()
            variant.assert_right(record, prompt)
        assert cached(records[0]) >= len(RULES + STORY) - TAIL
        assert cached(records[1]) >= len(RULES + STORY) - TAIL
        first.leave()
        first.wait()
        variant.assert_right(first, RULES + STORY)


@pytest.mark.parametrize("parallel", [1, 4])
def test_who_leaves_during_the_prompt_spoils_nothing(
    engine, submit, say, parallel: int, variant: Variant
) -> None:
    model = engine(parallel=parallel)
    kept = say(model, STORY)
    long = STORY * 20
    for done in (0, 1, 100, 400, 900):
        record = submit(model, long + str(done), **greedy())
        neighbours = [submit(model, f"{done} {STORY}", **greedy()) for _ in range(parallel - 1)]
        wait_for(
            lambda record=record, done=done: (
                record.tokens or any(one.processed > done for one in record.prefills)
            )
        )
        record.leave()
        record.wait()
        for neighbour in neighbours:
            neighbour.wait()
            variant.assert_right(neighbour, f"{done} {STORY}")
        say(model, long + str(done))
        say(model, long + "again")
    assert cached(say(model, STORY + text(kept) + "Well? ")) == size(kept) + ANSWER - 1


@pytest.mark.parametrize("seconds", [0.0, 0.0003, 0.001, 0.004])
def test_who_leaves_at_any_moment_spoils_nothing(
    engine, submit, say, variant: Variant, seconds: float
) -> None:
    model, prompt = engine(parallel=2), STORY * 4
    idle = say(model, STORY)
    for number in range(10):
        record = submit(model, prompt + str(number), **greedy(200))
        time.sleep(seconds * (number % 4))
        record.leave()
        record.wait()
        variant.assert_right(record, prompt + str(number))
        # What it leaves behind is taken over, and must be what it says that it is.
        say(model, prompt + str(number) + text(record) + "So? ")
        say(model, prompt + str(number))
    say(model, STORY + text(idle) + "So? ")


def test_who_leaves_in_the_middle_of_the_answer_keeps_the_conversation(
    engine, submit, say, variant: Variant
) -> None:
    model = engine()
    record = submit(model, STORY, **greedy(800))
    wait_for(lambda: len(record.tokens) > 20)
    record.leave()
    record.wait()
    again = say(model, STORY + text(record) + " Go on. ")
    # One that was told to stop in the middle of a step may have lost a token of it.
    assert cached(again) >= len(STORY) + len(record.ids) - 1
    variant.assert_right(record, STORY)


@pytest.mark.parametrize("cache_bytes", [0, 2**29])
def test_one_that_makes_way_comes_back_as_it_was(
    engine, submit, say, variant: Variant, cache_bytes: int
) -> None:
    model = engine(parallel=1, cache_bytes=cache_bytes)
    slow = submit(model, STORY, behind_after=8, **greedy())
    for number in range(12):
        say(model, f"{number} {STORY}")
    assert not slow.ended
    slow.go_on()
    slow.wait()
    assert len(slow.ids) == ANSWER
    variant.assert_right(slow, STORY)


@pytest.mark.parametrize("cache_bytes", [0, 2**29])
def test_without_room_the_youngest_waits_and_is_right(
    engine, submit, variant: Variant, cache_bytes: int
) -> None:
    model = engine(parallel=4, n_ctx=512, n_cells=512, n_ubatch=64, cache_bytes=cache_bytes)
    prompts = [f"{number} {STORY * 3}" for number in range(8)]
    for _ in range(2):
        records = [submit(model, prompt, **greedy()) for prompt in prompts]
        for prompt, record in zip(prompts, records, strict=True):
            record.wait()
            assert len(record.ids) == ANSWER
            variant.assert_right(record, prompt)


def test_long_texts_in_small_chunks_with_company(engine, submit, variant: Variant) -> None:
    """More tokens than a narrow window has cells for, so that the oldest are overwritten."""
    model = engine(parallel=3, n_batch=64, n_ubatch=64)
    prompts = [f"{number} {STORY * 12}" for number in range(3)]
    answers: list[str] = [""] * len(prompts)
    for _ in range(3):
        prompts = [a + b for a, b in zip(prompts, answers, strict=True)]
        records = [submit(model, prompt, **greedy()) for prompt in prompts]
        for at, (prompt, record) in enumerate(zip(prompts, records, strict=True)):
            record.wait()
            variant.assert_right(record, prompt)
            answers[at] = text(record) + "! "
        # In the middle of what they have, long before the window.
        record = submit(model, prompts[0][:500] + "Hm? ", **greedy())
        record.wait()
        variant.assert_right(record, prompts[0][:500] + "Hm? ")


@pytest.mark.parametrize("code", [-2, -3, 2])
def test_after_an_evaluation_that_failed_nothing_is_trusted(
    variant: Variant, fresh, submit, ask, code: int
) -> None:
    options = EXACT | variant.options
    model = fresh(variant.path, context=FaultyContext, parallel=3, **options)
    idle = ask(model, STORY, **greedy())
    records = {f"{at} {STORY}": submit(model, f"{at} {STORY}", **greedy(200)) for at in range(3)}
    wait_for(lambda: all(len(record.ids) > 5 for record in records.values()))
    model._context.script.append(code)
    wait_for(lambda: all(record.ended for record in records.values()))
    for prompt, record in records.items():
        variant.assert_right(record, prompt)
        assert record.error is None or (code == -3 and variant.checkpoints)
    again = STORY + text(idle) + " And? "
    variant.assert_right(ask(model, again, **greedy()), again)


class Interrupted(Context):
    """A context whose next evaluations are really told to stop, as many as `times`."""

    times = 0

    def decode(self) -> int:
        if self.times:
            self.times -= 1
            self.abort()
        return super().decode()


def test_an_evaluation_that_was_told_to_stop_spoils_nobody(
    variant: Variant, fresh, submit, ask
) -> None:
    """llama.cpp leaves a recurrent state in pieces then, that of sequences beside it too."""
    options = EXACT | variant.options
    model = fresh(variant.path, context=Interrupted, parallel=3, **options)
    idle = {prompt: prompt + text(ask(model, prompt, **greedy())) for prompt in ("1 ", "2 ", "3 ")}
    for turn in range(9):
        # Those that go on have others between them, whose states are moved for their sake.
        first, second, third = random.Random(turn).sample(sorted(idle.values()), 3)
        prompts = [first + STORY * 4 + str(turn), second + STORY * 4 + str(turn)]
        records = [submit(model, prompt, **greedy()) for prompt in prompts]
        for after in (1, 1, 2, 3):
            time.sleep(0.001 * after)
            model._context.times = 1
        for prompt, record in zip(prompts, records, strict=True):
            record.wait()
            variant.assert_right(record, prompt)
        for again in (third + "And? ", first + "And? "):
            variant.assert_right(ask(model, again, **greedy()), again)


def test_what_was_saved_is_right_in_another_engine(engine, say, tmp_path: Path) -> None:
    first = engine()
    record = say(first, STORY)
    held = first.save_state(STORY, tmp_path / "state")
    assert held == size(record) + ANSWER - 1
    second = engine()
    assert second.load_state(tmp_path / "state") == held
    assert cached(say(second, STORY + text(record) + "Really? ")) == held
    # What it took in, it can also cut, or it does not use it.
    say(second, STORY + text(record)[:20] + "Really? ")
    say(second, STORY[:50] + "Really? ")


@pytest.mark.parametrize("swa_full", [True, False])
def test_tokens_can_be_taken_back_where_all_are_kept(
    opened, tmp_path: Path, swa_full: bool
) -> None:
    weights = {
        kind: opened(write(tmp_path / f"{kind}.gguf"), swa_full=swa_full)
        for kind, write in KINDS.items()
    }
    assert {kind: one.rewinds for kind, one in weights.items()} == {
        "recurrent": False,
        "hybrid": False,
        "windowed": swa_full,
    }
    assert [one.window for one in weights.values()] == [0, 0, WINDOW]
    assert [one.recurrent for one in weights.values()] == [True, True, False]


def test_a_restored_window_is_not_cut(engine, say, variant: Variant) -> None:
    """llama.cpp saves no more of a layer with a window than the window, whatever is kept of it."""
    model = engine(parallel=1)
    long = STORY * 5
    first = say(model, long)
    for number in range(12):  # it must leave the context
        say(model, f"{number} {STORY * 3}")
    assert cached(say(model, long + text(first) + "Go on. ")) > 0
    for end in itertools.chain(range(len(long), 3 * WINDOW, -29), (40, 20)):
        say(model, long[:end] + "Go on. ")


@pytest.mark.parametrize("seed", range(int(os.environ.get("PENSTOCK_EXAMPLES", "2"))))
def test_in_any_order(engine, submit, variant: Variant, seed: int) -> None:
    draw = random.Random(f"{variant.name} {seed}")
    model = engine(
        parallel=draw.randint(1, 4),
        n_ctx=1024,
        n_cells=draw.choice([1024, 2048]),
        n_ubatch=draw.choice([32, 64, 512]),
        cache_bytes=draw.choice([0, 300_000, 2**29]),
        queue_limit=100,
    )
    prompts = [STORY, RULES + STORY, RULES + "Who? ", STORY * 3]
    records: list[tuple[str, Record]] = []
    for _ in range(60):
        prompt = draw.choice(prompts)
        cut = draw.choice([len(prompt)] * 3 + [len(prompt) - draw.randint(1, 12), 60])
        prompt = prompt[:cut] + draw.choice(["", "", "Hm. ", "Well, well. ", "No! No! "])
        record = submit(model, prompt, **greedy(draw.choice([1, 10, ANSWER])))
        records.append((prompt, record))
        time.sleep(draw.choice([0, 0, 0.0005, 0.003]))
        match draw.randrange(6):
            case 0:
                record.leave()
            case 1:
                record.hold()
            case 2:
                draw.choice(records)[1].go_on()
            case 3:
                record.wait()
                if len(prompt) < 600:
                    prompts.append(prompt + text(record))
    for prompt, record in records:
        record.go_on()
        record.wait()
        variant.assert_right(record, prompt)
    held = model.occupancy()
    assert (held.live, held.live_tokens) == (0, 0)


@pytest.mark.parametrize("kind", ["recurrent", "hybrid"])
def test_why_nothing_is_trusted_after_a_stop(opened, tmp_path: Path, kind: str) -> None:
    """If this fails, llama.cpp takes back what it did to sequences beside those of the batch."""
    weights = opened(KINDS[kind](tmp_path / "model.gguf"), flash_attn=False)
    logits = []
    for stopped in (False, True):
        context = Context(weights, weights.options, 1, Shape(512, 512, 4))
        for sequence in (0, 3, 1):  # the last one's state must move beside the first one's
            _evaluate(context, {sequence: ([260 + sequence] * 20, 0)})
        if stopped:
            context.abort()
            assert _evaluate(context, {0: ([270] * 9, 20), 1: ([271] * 9, 20)}) == ABORTED
            context.resume()
        assert _evaluate(context, {3: ([280], 20)}) == DONE
        logits.append(context.logits(0).copy())
        context.close()
    assert np.abs(logits[0] - logits[1]).max() > 1


def _evaluate(context: Context, parts: Mapping[int, tuple[list[int], int]]) -> int:
    context.batch.clear()
    for sequence, (tokens, position) in parts.items():
        context.batch.extend(tokens, position, sequence, output=True)
    return context.decode()
