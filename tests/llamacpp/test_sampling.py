"""Options mean what they say."""

from __future__ import annotations

import pytest
from penstock.errors import UsageError
from penstock.request import ENGINE_OPTIONS

LONG = {"max_tokens": 60, "ignore_eos": True}


def test_every_option_of_the_protocol_is_honoured(engine) -> None:
    assert engine.info.capabilities.options == ENGINE_OPTIONS - {"tools", "tool_choice"}


def test_greedy_gives_the_same_text_twice(trained, ask) -> None:
    first = ask(trained, "Once upon a time", temperature=0, **LONG)
    assert ask(trained, "Once upon a time", temperature=0, **LONG).ids == first.ids


def test_greedy_does_not_depend_on_the_seed(engine, ask) -> None:
    one = ask(engine, "a", temperature=0, seed=1, **LONG)
    assert ask(engine, "a", temperature=0, seed=2, **LONG).ids == one.ids


def test_a_seed_reproduces_and_another_differs(engine, ask) -> None:
    one = ask(engine, "a", temperature=1.5, seed=1, **LONG)
    assert ask(engine, "a", temperature=1.5, seed=1, **LONG).ids == one.ids
    assert ask(engine, "a", temperature=1.5, seed=2, **LONG).ids != one.ids


def test_without_a_seed_each_answer_is_another(engine, ask) -> None:
    one = ask(engine, "a", temperature=1.5, **LONG)
    assert ask(engine, "a", temperature=1.5, **LONG).ids != one.ids


def test_top_k_of_one_is_greedy(engine, ask) -> None:
    greedy = ask(engine, "a", temperature=0, **LONG)
    assert ask(engine, "a", temperature=2.0, top_k=1, seed=3, **LONG).ids == greedy.ids


def test_min_p_of_one_is_greedy(engine, ask) -> None:
    greedy = ask(engine, "a", temperature=0, **LONG)
    assert ask(engine, "a", temperature=2.0, top_k=0, min_p=1.0, seed=3, **LONG).ids == greedy.ids


def test_a_tiny_top_p_is_greedy(engine, ask) -> None:
    greedy = ask(engine, "a", temperature=0, **LONG)
    narrow = ask(engine, "a", temperature=1.0, top_k=0, top_p=1e-6, min_p=0, seed=3, **LONG)
    assert narrow.ids == greedy.ids


def test_all_filters_off_still_samples(engine, ask) -> None:
    answer = ask(engine, "a", temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=3, **LONG)
    assert len(set(answer.ids)) > 20


@pytest.mark.parametrize("penalty", ["presence_penalty", "frequency_penalty"])
def test_a_penalty_makes_every_token_new(engine, ask, penalty: str) -> None:
    plain = ask(engine, "a", temperature=0, **LONG)
    varied = ask(engine, "a", temperature=0, **{penalty: 100.0}, **LONG)
    assert len(set(plain.ids)) < len(varied.ids)
    assert len(set(varied.ids)) == len(varied.ids)


def test_the_repeat_penalty_changes_greedy_text(trained, ask) -> None:
    plain = ask(trained, "Once upon a time", temperature=0, **LONG)
    varied = ask(trained, "Once upon a time", temperature=0, repeat_penalty=1.5, **LONG)
    assert varied.ids != plain.ids


def test_penalties_count_the_prompt(engine, ask) -> None:
    first = ask(engine, "the a", temperature=0, max_tokens=1, ignore_eos=True).ids[0]
    prompt = "the a" + engine.detokenize([first]).decode("latin-1")
    options = {"temperature": 0, "max_tokens": 40, "ignore_eos": True, "presence_penalty": 100.0}
    assert not set(ask(engine, prompt, **options).ids) & set(engine.tokenize(prompt))


def test_ignore_eos_goes_on_where_the_model_would_end(trained, ask, chat) -> None:
    ends = ask(trained, chat, temperature=0, max_tokens=120)
    goes_on = ask(trained, chat, temperature=0, max_tokens=120, ignore_eos=True)
    assert ends.finish.reason == "stop"
    assert goes_on.finish.reason == "length"
    assert goes_on.ids[: len(ends.ids)] == ends.ids
    assert len(goes_on.ids) == 120


def test_no_end_token_is_delivered(trained, ask, chat) -> None:
    for seed in range(5):
        answer = ask(trained, chat, temperature=1.0, seed=seed, max_tokens=100)
        assert 2 not in answer.ids
        assert b"</s>" not in answer.data


# what the engine tells and refuses


def test_each_token_tells_how_likely_it_was(trained, ask) -> None:
    answer = ask(trained, "Once upon a time", temperature=0, logprobs=3, max_tokens=20)
    assert len(answer.tokens) == 20
    for token in answer.tokens:
        told = token.logprob
        assert told.id == token.id == told.top[0].id  # greedy: the likeliest
        assert told.logprob == told.top[0].logprob <= 0
        assert len(told.top) == 3
        assert told.top[0].logprob >= told.top[1].logprob >= told.top[2].logprob


def test_how_likely_a_token_was_does_not_depend_on_the_options(trained, ask) -> None:
    plain = ask(trained, "Once upon a time", temperature=0, logprobs=0, max_tokens=1).tokens[0]
    bias = {plain.id: 5.0}
    hot = ask(trained, "Once upon a time", temperature=0, logprobs=0, max_tokens=1, logit_bias=bias)
    assert hot.tokens[0].logprob == plain.logprob


def test_nothing_is_told_that_was_not_asked_for(trained, ask) -> None:
    answer = ask(trained, "Once upon a time", max_tokens=5)
    assert [token.logprob for token in answer.tokens] == [None] * 5


def test_a_bias_for_a_token_that_is_not_there_is_refused_and_the_engine_goes_on(
    engine, ask
) -> None:
    size = engine.info.vocabulary_size
    with pytest.raises(UsageError, match=rf"token {size}\b"):
        ask(engine, "a", logit_bias={size: 1.0}, max_tokens=3)
    assert len(ask(engine, "a", ignore_eos=True, max_tokens=3).tokens) == 3


def test_dry_gets_a_text_out_of_its_rut(trained, ask) -> None:
    prompt = "one two three one two three one two three one two three one two"
    options = {"temperature": 0, "max_tokens": 40, "ignore_eos": True}
    plain = ask(trained, prompt, **options).data
    dried = ask(trained, prompt, **options, dry_multiplier=2.0, dry_allowed_length=1).data
    assert plain.count(b" The plural of day") > dried.count(b" The plural of day") > 0


@pytest.mark.parametrize(
    "options",
    [
        {"typical_p": 0.5},
        {"top_n_sigma": 1.0},
        {"xtc_probability": 1.0, "xtc_threshold": 0.05},
        {"dynatemp_range": 1.0},
        {"mirostat": 1},
        {"mirostat": 2, "mirostat_tau": 3.0},
        {"repeat_penalty": 1.3, "repeat_last_n": -1},
        {"dry_multiplier": 1.0, "dry_penalty_last_n": -1},
    ],
)
def test_a_seed_reproduces_with_every_sampler(trained, ask, options: dict[str, object]) -> None:
    one = ask(trained, "Once upon a time", seed=3, **options, **LONG)
    assert ask(trained, "Once upon a time", seed=3, **options, **LONG).ids == one.ids
    assert ask(trained, "Once upon a time", seed=4, **options, **LONG).ids != one.ids
