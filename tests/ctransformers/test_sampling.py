"""Options of a call mean what they say."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from penstock.errors import EngineError, UsageError
from penstock.events import Token
from penstock.request import Sampling
from penstock_ctransformers.modelfile import Words
from penstock_ctransformers.sampling import Sampler
from penstock_ctransformers.vocabulary import Vocabulary

PIECES = tuple(b"%d" % at for at in range(10))
VOCABULARY = Vocabulary(Words(PIECES, eos=9, ends=(9,)), PIECES, lambda _text: [])
LOGITS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], np.float32)
PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


def drawn(logits: np.ndarray = LOGITS, count: int = 300, prompt=(), **options: object) -> Counter:
    sampler = Sampler(VOCABULARY, Sampling(**PLAIN | {"seed": 1} | options), list(prompt))
    return Counter(sampler.choose(logits) for _ in range(count))


def test_zero_is_greedy() -> None:
    assert drawn(temperature=0.0) == {9: 300}
    assert drawn(top_k=1) == {9: 300}
    assert drawn(temperature=1e-300) == {9: 300}


def test_draws_have_the_shares_of_the_model() -> None:
    found = drawn(np.log(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 55], np.float32)), 20_000)
    for token, share in enumerate([1, 2, 3, 4, 5, 6, 7, 8, 9, 55]):
        assert found[token] / 200 == pytest.approx(share, abs=1.2)


@pytest.mark.parametrize(
    ("options", "least"),
    [({"top_k": 3}, 7), ({"top_p": 0.8}, 8), ({"min_p": 0.1}, 7), ({"top_k": 99}, 2)],
)
def test_what_is_cut_never_comes(options, least: int) -> None:
    found = drawn(count=3000, **options)
    assert min(found) == least if "top_k" not in options or least > 2 else min(found) <= 4


@pytest.mark.parametrize("size", [400, 1536, 32_000])
@pytest.mark.parametrize("count", [1, 2, 40, 300])
def test_top_k_leaves_exactly_the_likeliest(size: int, count: int) -> None:
    pieces = (b"x",) * size
    vocabulary = Vocabulary(Words(pieces), pieces, lambda _text: [])
    logits = np.random.default_rng(size + count).standard_normal(size, np.float32)
    logits[:: size // 7] = -math.inf
    sampler = Sampler(vocabulary, Sampling(**PLAIN | {"top_k": count, "temperature": 99.0}), [])
    likeliest = np.argsort(-logits, kind="stable")
    likeliest = likeliest[np.isfinite(logits[likeliest])][:count]
    assert sampler._likeliest(logits).tolist() == likeliest.tolist()
    assert sampler.choose(logits) in likeliest


def test_a_seed_gives_the_same_again_and_others_differ() -> None:
    def run(seed: int) -> list[int]:
        sampler = Sampler(VOCABULARY, Sampling(**PLAIN, seed=seed), [])
        return [sampler.choose(LOGITS) for _ in range(40)]

    assert run(3) == run(3) != run(4)


def test_biases_and_ignore_eos() -> None:
    assert drawn(temperature=0.0, ignore_eos=True) == {8: 300}
    assert drawn(temperature=0.0, logit_bias={0: 100.0}) == {0: 300}
    assert drawn(temperature=0.0, logit_bias={9: -math.inf, 8: -5}) == {7: 300}
    with pytest.raises(UsageError, match="token 10.*has 10"):
        drawn(logit_bias={10: 1.0})
    with pytest.raises(EngineError, match="every token is banned"):
        drawn(logit_bias=dict.fromkeys(range(10), -math.inf))


def test_penalties_count_what_came_and_the_end_of_the_prompt() -> None:
    assert drawn(temperature=0.0, repeat_penalty=2.0, count=2, prompt=[9]) == {8: 1, 7: 1}
    assert drawn(temperature=0.0, presence_penalty=1.5, count=2, prompt=[9]) == {8: 1, 9: 1}
    assert drawn(temperature=0.0, frequency_penalty=0.6, count=3, prompt=[9, 9]) == {8: 2, 9: 1}
    assert drawn(temperature=0.0, repeat_penalty=2.0, repeat_last_n=1, count=3) == {9: 2, 8: 1}
    assert drawn(temperature=0.0, repeat_penalty=2.0, repeat_last_n=0, count=3) == {9: 3}


def test_negative_logits_are_penalised_too() -> None:
    logits = np.full(10, -1, np.float32)
    logits[3] = -0.9
    assert drawn(logits, temperature=0.0, repeat_penalty=2.0, count=2)[3] == 1


def test_logits_are_left_as_they_are() -> None:
    before = LOGITS.copy()
    drawn(repeat_penalty=2.0, logit_bias={1: 5.0})
    assert (before == LOGITS).all()


def test_logits_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(EngineError, match="computed nan"):
        drawn(np.full(10, np.nan, np.float32))


def test_logprobs_are_those_of_the_model(engine, ask) -> None:
    events = ask(engine, "Once upon a", temperature=0.0, max_tokens=3, logprobs=4)
    for token in (event for event in events if isinstance(event, Token)):
        assert token.logprob is not None
        assert token.logprob.id == token.id
        assert token.logprob.top[0].id == token.id
        assert len(token.logprob.top) == 4
        assert sum(math.exp(one.logprob) for one in token.logprob.top) <= 1.0001


def test_answers_can_be_bound(engine, ask, text_of) -> None:
    assert text_of(ask(engine, "Is it hot?", choices=("yes", "no"), seed=1)) in ("yes", "no")
    number = text_of(ask(engine, "How many?", schema={"type": "integer", "maximum": 99}, seed=2))
    assert int(number) <= 99


def test_a_prefix_in_common_is_not_evaluated_again(fresh, ask, pocket) -> None:
    options = {"temperature": 0.0, "max_tokens": 8}
    engine = fresh(pocket)
    first = ask(engine, "Once upon a time", **options)
    again = ask(engine, "Once upon a time", **options)
    assert again[-1].usage.cached_tokens == len(engine.tokenize("Once upon a time")) - 1
    tokens = [[e.id for e in events if isinstance(e, Token)] for events in (first, again)]
    assert tokens[0] == tokens[1]
    plain = fresh(pocket, reuse_prefix=False)
    ask(plain, "Once upon a time", **options)
    assert ask(plain, "Once upon a time", **options)[-1].usage.cached_tokens == 0
