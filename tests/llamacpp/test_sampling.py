"""Options mean what they say."""

from __future__ import annotations

import pytest
from penstock.request import ENGINE_OPTIONS

LONG = {"max_tokens": 60, "ignore_eos": True}


def test_every_option_of_the_protocol_is_honoured(engine) -> None:
    assert engine.info.capabilities.options == ENGINE_OPTIONS


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
