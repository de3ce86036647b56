"""Answers under a constraint, through the public API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import penstock
import pytest
from penstock import Completion, EngineError, Generation, IncompleteAnswer, UsageError
from penstock.sync import Model

from .schemas import SCHEMAS, assert_valid, problem

PROMPT = "Once upon a time"
WILD = {"temperature": 2, "top_k": 0, "top_p": 1, "min_p": 0, "max_tokens": 1000}
"""Far from what the model would say, so that it leaves the endless numbers that it likes."""


@pytest.fixture(scope="module")
def model(pocket: Path) -> Iterator[Model]:
    with penstock.sync.load(f"llamacpp:{pocket}") as model:
        yield model


def cut(generation: Generation) -> Completion:
    """Read an answer that is cut by its limit; return what came of it."""
    with pytest.raises(IncompleteAnswer) as caught:
        generation.result()
    assert caught.value.reason == "length"
    assert caught.value.partial is not None
    return caught.value.partial


@pytest.mark.slow
def test_five_hundred_answers_are_all_valid(model: Model) -> None:
    def answer(seed: int) -> tuple[str, str]:
        name = [*SCHEMAS][seed % len(SCHEMAS)]
        done = model.complete(PROMPT, schema=SCHEMAS[name], seed=seed, **WILD).result()
        assert done.finish_reason == "stop", f"{name}, seed {seed}: {done!r}"
        return name, done.text

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(answer, range(500)))
    wrong = [wrong for name, text in answers if (wrong := problem(SCHEMAS[name], text))]
    assert wrong == []
    assert len({text for _, text in answers}) > 200


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_greedy_answer_in_a_chat_is_valid(model: Model, name: str) -> None:
    answer = model.chat(
        [{"role": "user", "content": "What is the opposite of hot?"}],
        schema=SCHEMAS[name],
        temperature=0,
        max_tokens=400,
    )
    try:
        text = answer.result().text
    except IncompleteAnswer:  # a small model may count for ever, within the schema
        assert answer.completion.usage.completion_tokens == 400  # the generation's
    else:
        assert_valid(SCHEMAS[name], text)


def test_streamed_or_awaited_the_text_is_the_same(model: Model) -> None:
    options = {"schema": SCHEMAS["person"], "seed": 3, "temperature": 1, "max_tokens": 500}
    streamed = "".join(delta.text for delta in model.complete(PROMPT, **options))
    assert streamed == model.complete(PROMPT, **options).result().text
    assert_valid(SCHEMAS["person"], streamed)


def test_a_schema_may_be_text(model: Model) -> None:
    schema = {"type": "integer", "minimum": 10, "maximum": 99}
    done = model.complete(PROMPT, schema=json.dumps(schema), temperature=0).result()
    assert_valid(schema, done.text)
    assert done.effective.schema == json.dumps(schema)


@pytest.mark.parametrize("temperature", [0, 1])
def test_a_choice_is_one_of_those_given(model: Model, temperature: float) -> None:
    choices = ("cold", "warm", "neither of them")
    done = model.complete(PROMPT, choices=choices, temperature=temperature).result()
    assert done.text in choices
    assert done.finish_reason == "stop"


def test_a_choice_in_a_chat_is_the_one_the_model_would_take(model: Model) -> None:
    question = [{"role": "user", "content": "What is the opposite of hot?"}]
    free = model.chat(question, temperature=0).result().text
    done = model.chat(question, temperature=0, choices=(free, "zebra", "a")).result()
    assert done.text == free


@pytest.mark.parametrize("choices", [("cold", "warm"), (" cold", " warm")])
def test_a_choice_in_a_chat_has_just_the_spaces_it_was_given(model: Model, choices) -> None:
    question = [{"role": "user", "content": "What is the opposite of hot?"}]
    for seed in range(8):
        done = model.chat(question, choices=choices, seed=seed, **WILD).result()
        assert done.text in choices


def test_a_regex_and_grammars_hold(model: Model) -> None:
    for seed in range(10):
        options = {"seed": seed, "temperature": 1, "max_tokens": 300}
        time = model.complete(PROMPT, regex=r"[0-2]\d:[0-5]\d", **options).result()
        assert re.fullmatch(r"[0-2][0-9]:[0-5][0-9]", time.text)
        lark = model.complete(PROMPT, grammar='start: ("a" "b"){1,5}', **options).result()
        assert re.fullmatch("(ab){1,5}", lark.text)
        gbnf = model.complete(PROMPT, grammar='root ::= ("x" | "y") "!"', **options).result()
        assert gbnf.text in ("x!", "y!")


@pytest.mark.parametrize("limit", [1, 5])
def test_an_answer_that_max_tokens_cuts_is_an_error_with_what_came(model, limit: int) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 50}
    done = cut(model.complete(PROMPT, schema=schema, max_tokens=limit))
    assert done.usage.completion_tokens == limit
    assert done.text.startswith("[")


def test_forced_text_counts_towards_max_tokens_too(model: Model) -> None:
    done = cut(model.complete(PROMPT, regex="(abc ){100}", max_tokens=7))
    assert done.usage.completion_tokens == 7
    assert ("abc " * 100).startswith(done.text)


@pytest.mark.parametrize(
    "options", [{"regex": "[ABCD]"}, {"choices": ("A", "B")}, {"grammar": 'start: "A" | "B"'}]
)
def test_an_answer_that_just_fits_is_whole(model: Model, options) -> None:
    free = model.complete(PROMPT, temperature=0, **options).result()
    tokens = free.usage.completion_tokens
    done = model.complete(PROMPT, temperature=0, max_tokens=tokens, **options).result()
    assert (done.text, done.finish_reason) == (free.text, "stop")


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 1, "seed": 5}])
def test_a_constraint_that_allows_all_changes_nothing(model: Model, options) -> None:
    free = model.complete(PROMPT, max_tokens=60, **options).result()
    bound = cut(model.complete(PROMPT, regex="(?s:.)*", max_tokens=60, **options))
    assert bound.text == free.text


def test_a_stop_string_ends_a_constrained_answer(model: Model) -> None:
    done = model.complete(PROMPT, regex="ab+c", temperature=0, stop="c").result()
    assert done.finish_reason == "stop_sequence"
    assert re.fullmatch("ab+", done.text)


@pytest.mark.parametrize(
    "options",
    [
        {"schema": {"type": "integer", "minimum": 5, "maximum": 3}},
        {"schema": {"type": "nothing"}},
        {"regex": "("},
        {"grammar": "no grammar"},
    ],
)
def test_a_constraint_that_cannot_be_used_is_an_error_and_the_model_lives(model, options) -> None:
    with pytest.raises(UsageError, match="is not usable"):
        model.complete(PROMPT, **options).result()
    assert model.complete(PROMPT, choices=("yes",)).result().text == "yes"


def test_a_constraint_that_cannot_be_met_is_an_error_with_what_came(model: Model) -> None:
    beginning_of_text = 1
    with pytest.raises(EngineError) as caught:
        model.complete(PROMPT, grammar=f'start: "ab" <[{beginning_of_text}]>').result()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "ab"
    assert caught.value.partial.finish_reason == "error"
    assert model.complete(PROMPT, choices=("yes",)).result().text == "yes"


def test_answers_with_and_without_constraints_run_together(model: Model) -> None:
    def answer(at: int) -> bool:
        if at % 3 == 0:
            return len(model.complete(PROMPT, max_tokens=20, seed=at).result().text) > 0
        name = "any of" if at % 3 == 1 else "ref"
        done = model.complete(PROMPT, schema=SCHEMAS[name], seed=at, max_tokens=500).result()
        return problem(SCHEMAS[name], done.text) is None

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(answer, range(30)))
