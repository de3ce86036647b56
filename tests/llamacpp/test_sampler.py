"""Each option does to a distribution what a few lines of numpy say it should."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.errors import EngineError, UsageError
from penstock.request import Sampling
from penstock_llamacpp.devices import Choice
from penstock_llamacpp.library import Library, load_library
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.sampling import Constraining, Sampler
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

Floats = npt.NDArray[np.float64]
ALL = {"top_k": 0, "top_p": 1, "min_p": 0}
FLAT = {"temperature": 50.0}
"""So that whatever may come does come."""


class Rows:
    """Logits as a context gives them: the same each time, in the same memory, written anew."""

    def __init__(self, logits: npt.ArrayLike) -> None:
        self._evaluated = np.array(logits, np.float32)
        self._row = self._evaluated.copy()

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        assert row == 7
        self._row[:] = self._evaluated
        return self._row


@dataclass(frozen=True)
class Bench:
    """The logits of the pocket model in the middle of a text, and what a sampler needs."""

    library: Library
    vocabulary: Vocabulary
    logits: npt.NDArray[np.float32]

    @property
    def size(self) -> int:
        return self.vocabulary.size

    @property
    def order(self) -> list[int]:
        """The ids, the likeliest first."""
        return np.argsort(-self.logits, kind="stable").tolist()

    def sampler(
        self, prompt: Sequence[int] = (), guide: Constraining | None = None, **options: object
    ) -> Sampler:
        sampling = Sampling(**{"seed": 1, **options})
        return Sampler(self.library, self.vocabulary, sampling, prompt, guide)

    def chosen(
        self,
        count: int,
        logits: npt.ArrayLike | None = None,
        prompt: Sequence[int] = (),
        guide: Constraining | None = None,
        **options: object,
    ) -> list[int]:
        """Return what one sampler chooses, again and again."""
        rows = Rows(self.logits if logits is None else logits)
        sampler = self.sampler(prompt, guide, **options)
        try:
            return [sampler.choose(rows, 7) for _ in range(count)]
        finally:
            sampler.close()

    def over_seeds(self, **options: object) -> set[int]:
        """Return what comes first, over 300 seeds."""
        return {self.chosen(1, seed=seed, **options)[0] for seed in range(300)}


def evaluated(library: Library, weights: Weights, ids: list[int]) -> npt.NDArray[np.float32]:
    params = library.context_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 256
    context = library.context_new(weights.pointer, params)
    tokens = (ctypes.c_int32 * len(ids))(*ids)
    assert library.decode(context, library.structs.llama_batch_get_one(tokens, len(ids))) == 0
    size = library.vocab_size(library.model_vocab(weights.pointer))
    row = (ctypes.c_float * size).from_address(library.logits_row(context, -1))
    logits = np.array(row, np.float32)
    library.context_free(context)
    return logits


@pytest.fixture(scope="module")
def bench(pocket: Path) -> Iterator[Bench]:
    library = load_library()
    weights = Weights(library, pocket, LoadOptions(), choice=Choice(), keep_going=lambda _: True)
    vocabulary = Vocabulary(weights)
    ids = [1, *vocabulary.continue_with("Once upon a time there was a")]
    yield Bench(library, vocabulary, evaluated(library, weights, ids))
    weights.close()


def softmax(logits: npt.ArrayLike) -> Floats:
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits))
    return powers / powers.sum()


def ids_where(holds: npt.NDArray[np.bool_]) -> set[int]:
    return set(np.flatnonzero(holds).tolist())


# what cuts


@pytest.mark.parametrize("count", [1, 3, 8])
def test_top_k_leaves_the_k_likeliest(bench, count: int) -> None:
    assert bench.over_seeds(**FLAT, top_k=count, top_p=1, min_p=0) == set(bench.order[:count])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("top_k", [0, 1000])
def test_top_p_leaves_the_likeliest_up_to_a_share(bench, share: float, top_k: int) -> None:
    order = bench.order[: top_k or None]
    sums = np.cumsum(softmax(bench.logits[order]))
    kept = set(order[: int(np.searchsorted(sums, share)) + 1])
    came = bench.over_seeds(**FLAT, top_k=top_k, top_p=share, min_p=0)
    assert came <= kept
    assert came == kept or len(kept) > 30


@pytest.mark.parametrize("share", [0.05, 0.3])
@pytest.mark.parametrize("top_k", [0, 500])
def test_min_p_leaves_a_share_of_the_likeliest(bench, share: float, top_k: int) -> None:
    chances = softmax(bench.logits)
    kept = ids_where(chances >= share * chances.max())
    assert 1 < len(kept) < 30
    assert bench.over_seeds(**FLAT, top_k=top_k, top_p=1, min_p=share) == kept


@pytest.mark.parametrize("deviations", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [0, 1000])
def test_top_n_sigma_leaves_what_is_near_the_greatest(bench, deviations, top_k: int) -> None:
    logits = bench.logits.astype(np.float64)
    kept = ids_where(logits >= logits.max() - deviations * logits.std())
    options = {**ALL, "top_k": top_k, "top_n_sigma": deviations}
    came = bench.over_seeds(**FLAT, **options)
    assert came <= kept
    assert came == kept or len(kept) > 30


def test_top_n_sigma_does_not_count_what_is_banned(bench) -> None:
    banned = bench.order[-500:]
    left = np.delete(bench.logits.astype(np.float64), banned)
    kept = ids_where(bench.logits >= left.max() - left.std())
    bias = dict.fromkeys(banned, -math.inf)
    assert bench.over_seeds(**FLAT, **ALL, top_n_sigma=1.0, logit_bias=bias) <= kept


def typical(chances: Floats, share: float) -> list[int]:
    surprise = -np.log(chances)
    nearest = np.argsort(np.abs(surprise - (chances * surprise).sum()), kind="stable")
    return nearest[: int(np.searchsorted(np.cumsum(chances[nearest]), share, "right")) + 1].tolist()


@pytest.mark.parametrize("share", [0.1, 0.4])
@pytest.mark.parametrize("top_k", [0, 12])
def test_typical_leaves_what_is_as_surprising_as_expected(bench, share: float, top_k: int) -> None:
    order = bench.order[: top_k or None]
    kept = {order[at] for at in typical(softmax(bench.logits[order]), share)}
    came = bench.over_seeds(**FLAT, top_k=top_k, top_p=1, min_p=0, typical_p=share)
    assert came <= kept
    assert came == kept or len(kept) > 30


def test_xtc_leaves_out_the_likeliest_but_the_last_that_is_likely(bench) -> None:
    order = bench.order[:10]
    chances = softmax(bench.logits[order])
    threshold = float(chances[3:5].mean())
    left = set(order[3:])
    options = {**FLAT, "top_k": 10, "top_p": 1, "min_p": 0, "xtc_threshold": threshold}
    assert threshold < 0.5
    assert bench.over_seeds(**options, xtc_probability=1.0) == left
    assert bench.over_seeds(**options, xtc_probability=0.5) == set(order)


def test_xtc_above_a_half_is_off(bench) -> None:
    options = {**FLAT, "top_k": 3, "top_p": 1, "min_p": 0}
    assert bench.over_seeds(**options, xtc_probability=1.0, xtc_threshold=0.51) == set(
        bench.order[:3]
    )


# what weighs


def share_of(chosen: list[int], token: int) -> float:
    return chosen.count(token) / len(chosen)


def near(chance: float, count: int) -> object:
    return pytest.approx(chance, abs=5 * math.sqrt(chance * (1 - chance) / count))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_divides_the_logits(bench, temperature: float) -> None:
    first, second = bench.order[:2]
    chances = softmax(bench.logits[[first, second]] / temperature)
    chosen = bench.chosen(2000, temperature=temperature, top_k=2, top_p=1, min_p=0)
    assert share_of(chosen, first) == near(chances[0], 2000)


@pytest.mark.parametrize(("reach", "exponent"), [(0.5, 1.0), (0.7, 2.0), (5.0, 1.0)])
def test_the_dynamic_temperature_follows_the_entropy(bench, reach: float, exponent: float) -> None:
    logits = bench.logits[bench.order[:3]].astype(np.float64)
    chances = softmax(logits)
    entropy = -(chances * np.log(chances)).sum() / math.log(3)
    low, high = max(0.0, 1.0 - reach), 1.0 + reach
    expected = softmax(logits / (low + (high - low) * entropy**exponent))
    options = {"dynatemp_range": reach, "dynatemp_exponent": exponent, "temperature": 1.0}
    chosen = bench.chosen(2000, top_k=3, top_p=1, min_p=0, **options)
    assert share_of(chosen, bench.order[0]) == near(expected[0], 2000)


def test_nothing_set_to_cut_draws_from_the_model_itself(bench) -> None:
    chances = softmax(bench.logits)
    chosen = bench.chosen(4000, temperature=1.0, **ALL)
    for token in bench.order[:5]:
        assert share_of(chosen, token) == near(chances[token], 4000)


def test_greedy_takes_the_likeliest_and_the_first_of_several(bench) -> None:
    logits = bench.logits.copy()
    assert bench.chosen(2, logits, temperature=0) == [bench.order[0]] * 2
    logits[[900, 20, 1100]] = logits.max() + 1
    assert bench.chosen(1, logits, temperature=0) == [20]


# biases


def test_a_bias_is_added_to_a_logit(bench) -> None:
    bias = {bench.order[0]: -1.5, bench.order[1]: 0.25, bench.order[9]: 4.0}
    biased = bench.logits.copy()
    biased[list(bias)] += list(bias.values())
    first, second = np.argsort(-biased)[:2].tolist()
    chances = softmax(biased[[first, second]])
    chosen = bench.chosen(2000, temperature=1.0, top_k=2, top_p=1, min_p=0, logit_bias=bias)
    assert set(chosen) == {first, second}
    assert share_of(chosen, first) == near(chances[0], 2000)


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_a_token_that_is_banned_never_comes(bench, temperature: float) -> None:
    banned = bench.order[:30]
    options = {"logit_bias": dict.fromkeys(banned, -math.inf), "temperature": temperature}
    assert not set(bench.chosen(300, **options)) & set(banned)


def test_ignore_eos_outweighs_a_bias_for_the_end(bench) -> None:
    end = bench.vocabulary.eos
    assert bench.chosen(1, temperature=0, logit_bias={end: 1e30}) == [end]
    assert bench.chosen(1, temperature=0, logit_bias={end: 1e30}, ignore_eos=True) != [end]


def test_a_bias_for_a_token_that_is_not_there_is_refused_by_its_id(bench) -> None:
    with pytest.raises(UsageError, match=rf"{bench.size}\b"):
        bench.sampler(logit_bias={3: 1.0, bench.size: -1.0})


def test_a_ban_of_every_token_is_refused(bench) -> None:
    with pytest.raises(UsageError, match="every token"):
        bench.sampler(logit_bias=dict.fromkeys(range(bench.size), -math.inf))


# penalties and DRY


@dataclass
class Penalised:
    """Greedy with penalties, in numpy."""

    repeat: float = 1.0
    presence: float = 0.0
    frequency: float = 0.0
    last: int = 64

    def chosen(self, count: int, logits: npt.NDArray[np.float32], prompt: list[int]) -> list[int]:
        said = list(prompt)
        for _ in range(count):
            shaped = logits.astype(np.float64)
            window = said if self.last < 0 else said[len(said) - min(self.last, len(said)) :]
            for token in set(window):
                shaped[token] *= self.repeat if shaped[token] <= 0 else 1 / self.repeat
                shaped[token] -= self.presence + self.frequency * window.count(token)
            said.append(int(shaped.argmax()))
        return said[len(prompt) :]


@pytest.mark.parametrize("last", [0, 1, 5, 64, -1])
@pytest.mark.parametrize(
    "options",
    [
        {"repeat_penalty": 1.3},
        {"repeat_penalty": 0.9},
        {"presence_penalty": 2.5},
        {"frequency_penalty": 0.75},
        {"repeat_penalty": 1.1, "presence_penalty": -0.5, "frequency_penalty": 0.3},
    ],
)
def test_penalties_are_those_of_numpy(bench, options: dict[str, float], last: int) -> None:
    prompt = [*bench.order[:3], *bench.order[:2], 5, 6]
    reference = Penalised(**{name.split("_")[0]: value for name, value in options.items()})
    reference.last = last
    chosen = bench.chosen(90, prompt=prompt, temperature=0, repeat_last_n=last, **options)
    assert chosen == reference.chosen(90, bench.logits, prompt)


def test_penalties_know_more_tokens_than_there_is_room_for_at_first(bench) -> None:
    options = {"temperature": 0, "presence_penalty": 1e6, "repeat_last_n": -1}
    assert bench.chosen(700, **options) == bench.order[:700]


REPEATED = [40, 41, 42, 43, 44]
NEXT, OTHER = 45, 46


def takes_next(bench: Bench, advantage: float, length: int, **options: object) -> bool:
    """Whether NEXT comes, though it would prolong a repetition of so many tokens."""
    logits = np.full(bench.size, -50.0)
    logits[NEXT], logits[OTHER] = advantage, 0.0
    begin = REPEATED[len(REPEATED) - length :]
    prompt = [*begin, NEXT, OTHER, *begin]
    return bench.chosen(1, logits, prompt, temperature=0, **options) == [NEXT]


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("allowed", [1, 2, 4])
def test_dry_grows_with_the_length_of_a_repetition(bench, length: int, allowed: int) -> None:
    penalty = 0.8 * 1.5 ** (length - allowed) if length >= allowed else 0.0
    options = {"dry_multiplier": 0.8, "dry_base": 1.5, "dry_allowed_length": allowed}
    options["dry_sequence_breakers"] = ()
    assert takes_next(bench, penalty + 0.01, length, **options)
    assert not takes_next(bench, penalty - 0.01, length, **options)


def test_dry_sees_only_the_last_tokens(bench) -> None:
    assert not takes_next(bench, 0.5, 3, dry_multiplier=5.0, dry_penalty_last_n=-1)
    assert takes_next(bench, 0.5, 3, dry_multiplier=5.0, dry_penalty_last_n=4)
    assert takes_next(bench, 0.5, 3, dry_multiplier=5.0, dry_penalty_last_n=0)


def test_dry_is_off_without_a_multiplier(bench) -> None:
    assert takes_next(bench, 0.5, 5)


def test_a_breaker_of_dry_ends_a_repetition(bench) -> None:
    text = bench.vocabulary.decode([REPEATED[-1]]).decode()
    options = {"dry_multiplier": 5.0}
    assert not takes_next(bench, 0.5, 5, **options, dry_sequence_breakers=())
    assert takes_next(bench, 0.5, 5, **options, dry_sequence_breakers=(text,))


def test_dry_counts_what_is_generated(bench) -> None:
    logits = np.full(bench.size, -50.0)
    logits[30:34] = [4.0, 3.0, 2.0, 1.0]
    plain = bench.chosen(12, logits, temperature=0)
    dried = bench.chosen(12, logits, temperature=0, dry_multiplier=10.0, dry_allowed_length=1)
    assert set(plain) == {30}
    assert {30, 31} <= set(dried)


@pytest.mark.parametrize("breaker", ["é", "你好", "😀" * 20, "\ud800", "\n", " "])
def test_any_breaker_can_be_read(bench, breaker: str) -> None:
    assert len(bench.chosen(3, dry_multiplier=1.0, dry_sequence_breakers=breaker)) == 3


def test_a_breaker_that_c_would_cut_is_refused(bench) -> None:
    with pytest.raises(UsageError, match="null"):
        bench.sampler(dry_multiplier=1.0, dry_sequence_breakers=("a\0b",))


def test_more_kinds_of_dry_than_are_kept(bench) -> None:
    for step in range(20):
        assert not takes_next(bench, 0.5, 3, dry_multiplier=5.0 + step)


# mirostat


@pytest.mark.parametrize("tau", [1.8, 1.9, 2.0])
def test_mirostat_2_leaves_out_what_is_too_surprising(bench, tau: float) -> None:
    kept = ids_where(-np.log2(softmax(bench.logits)) <= 2 * tau)
    came = set(bench.chosen(400, temperature=1.0, mirostat=2, mirostat_tau=tau, mirostat_eta=0))
    assert 1 < len(kept) < 20
    assert came == kept


def zipf_count(chances: Floats, tau: float) -> int:
    """Return how many tokens mirostat 1 leaves at first."""
    steps = np.log(np.arange(2, 101) / np.arange(1, 100))
    ratios = np.log(chances[:99] / chances[1:100])
    exponent = (steps * ratios).sum() / (steps**2).sum()
    excess = exponent - 1
    count = (excess * 2 ** (2 * tau)) / (1 - len(chances) ** -excess)
    return max(1, int(count ** (1 / exponent)))


@pytest.mark.parametrize("tau", [3.0, 3.5])
def test_mirostat_1_leaves_as_many_as_zipfs_law_says(bench, tau: float) -> None:
    count = zipf_count(softmax(bench.logits[bench.order]), tau)
    came = set(bench.chosen(3000, temperature=1.0, mirostat=1, mirostat_tau=tau, mirostat_eta=0))
    assert 1 < count < 30
    assert came == set(bench.order[:count])


@pytest.mark.parametrize("tau", [1.5, 3.0])
@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_learns_to_be_as_surprising_as_asked(bench, version: int, tau: float) -> None:
    zipf = -1.2 * np.log(np.arange(1, bench.size + 1))
    options = {"mirostat": version, "mirostat_tau": tau, "temperature": 1.0}
    learnt = bench.chosen(2000, zipf, **options, mirostat_eta=0.1)[-1000:]
    assert entropy_of(learnt) == pytest.approx(tau, abs=0.2)
    unlearnt = bench.chosen(2000, zipf, **options, mirostat_eta=0.0)[-1000:]
    assert entropy_of(unlearnt) < tau - 0.25


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_keeps_drawing_where_it_cannot_be_as_surprising(bench, version: int) -> None:
    """llama.cpp's own version 1 is greedy after some hundred tokens like these."""
    steep = -3.0 * np.log(np.arange(1, bench.size + 1))
    chances = softmax(steep)
    chosen = bench.chosen(3000, steep, mirostat=version, mirostat_tau=5.0, temperature=1.0)
    assert share_of(chosen[-1000:], 0) == near(chances[0], 1000)


def entropy_of(chosen: list[int]) -> float:
    """Return the bits in a choice."""
    _, counts = np.unique(chosen, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


# seeds, rows, errors


EVERYTHING = {
    "temperature": 1.5,
    "top_k": 200,
    "typical_p": 0.95,
    "top_p": 0.95,
    "min_p": 0.001,
    "top_n_sigma": 3.0,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.05,
    "dynatemp_range": 0.5,
    "repeat_penalty": 1.1,
    "frequency_penalty": 0.1,
    "dry_multiplier": 0.8,
    "logit_bias": {4: 1.0},
    "logprobs": 2,
}


@pytest.mark.parametrize("options", [EVERYTHING, {"mirostat": 1}, {"mirostat": 2}, {}])
def test_a_seed_reproduces_and_another_differs(bench, options: dict[str, object]) -> None:
    one = bench.chosen(60, seed=5, **options)
    assert bench.chosen(60, seed=5, **options) == one
    assert bench.chosen(60, seed=6, **options) != one


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("options", [{}, {"temperature": 0}, EVERYTHING, {"mirostat": 2}])
def test_logits_that_are_no_numbers_are_an_error(bench, wrong: float, options) -> None:
    logits = bench.logits.copy()
    logits[77] = wrong
    with pytest.raises(EngineError, match="computed (nan|inf)"):
        bench.chosen(1, logits, **options)


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, EVERYTHING, {"mirostat": 1}])
def test_no_token_left_is_an_error(bench, options) -> None:
    with pytest.raises(EngineError, match="banned"):
        bench.chosen(1, np.full(bench.size, -np.inf), **options)


def test_closing_twice_is_harmless_and_choosing_after_it_an_error(bench) -> None:
    sampler = bench.sampler(repeat_penalty=1.1)
    sampler.close()
    sampler.close()
    with pytest.raises(EngineError, match="no token"):
        sampler.choose(Rows(bench.logits), 7)


def numbers(least: float, most: float) -> st.SearchStrategy[float | None]:
    return st.none() | st.sampled_from([least, most]) | st.floats(least, most)


OPTIONS = st.fixed_dictionaries(
    {
        "temperature": numbers(0, 1e300),
        "top_k": st.none() | st.sampled_from([0, 1, 300, 2**31 - 1]),
        "top_p": numbers(1e-300, 1),
        "min_p": numbers(0, 1),
        "typical_p": numbers(1e-300, 1),
        "top_n_sigma": numbers(0, 1e300),
        "xtc_probability": numbers(0, 1),
        "xtc_threshold": numbers(0, 1),
        "dynatemp_range": numbers(0, 1e300),
        "dynatemp_exponent": numbers(0, 1e300),
        "mirostat": st.sampled_from([None, None, 0, 1, 2]),
        "mirostat_tau": numbers(0, 1e300),
        "mirostat_eta": numbers(0, 1e300),
        "repeat_penalty": numbers(1e-300, 1e300),
        "presence_penalty": numbers(-1e300, 1e300),
        "frequency_penalty": numbers(-1e300, 1e300),
        "repeat_last_n": st.sampled_from([None, -1, 0, 3, 2**31 - 1]),
        "dry_multiplier": numbers(0, 1e300),
        "dry_base": numbers(1, 1e300),
        "dry_allowed_length": st.sampled_from([None, 0, 1, 2**31 - 1]),
        "dry_penalty_last_n": st.sampled_from([None, -1, 0, 3, 2**31 - 1]),
        "logit_bias": st.none()
        | st.dictionaries(st.integers(0, 511), st.just(-math.inf) | st.floats(-1e300, 1e300)),
        "logprobs": st.sampled_from([None, 0, 3, 2**31 - 1]),
    }
)


@settings(max_examples=300, deadline=None)
@given(OPTIONS, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 4.0, 60.0]))
def test_no_option_is_too_much_for_llama_cpp(bench, options, seed: int, spread: float) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, spread, bench.size).astype(np.float32)
    logits[draw.integers(0, bench.size, bench.size // 2)] = -np.inf
    banned = [token for token, bias in (options["logit_bias"] or {}).items() if bias == -math.inf]
    chosen = bench.chosen(6, logits, [1, 2, 3, 1, 2], **options)
    assert np.isfinite(logits[chosen]).all()
    assert not set(chosen) & set(banned)


# constraints


class Only:
    """A constraint that lets some tokens through, and tells what it was asked."""

    def __init__(self, allowed: Sequence[int]) -> None:
        self.allowed = set(allowed)
        self.accepted: list[int] = []
        self.masked = 0

    def allows(self, token: int) -> bool:
        return token in self.allowed

    def mask(self, logits: npt.NDArray[np.float32]) -> bool:
        self.masked += 1
        kept = list(self.allowed)
        values = logits[kept]
        logits[:] = -np.inf
        logits[kept] = values
        return bool(kept)

    def accept(self, token: int) -> None:
        assert token in self.allowed
        self.accepted.append(token)


CONSTRAINED = pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0},
        {"temperature": 0, "repeat_penalty": 1.2},
        {**ALL, **FLAT},
        EVERYTHING,
        {"mirostat": 1},
        {"mirostat": 2},
    ],
)


@CONSTRAINED
def test_only_what_a_constraint_allows_comes_and_it_hears_of_all(bench, options) -> None:
    guide = Only(range(0, bench.size, 2))
    chosen = bench.chosen(200, guide=guide, **options)
    assert guide.accepted == chosen
    assert not any(token % 2 for token in chosen)


@CONSTRAINED
def test_what_a_constraint_allows_is_found_however_unlikely(bench, options) -> None:
    last = bench.order[-1]
    assert bench.chosen(3, guide=Only([last]), **options) == [last] * 3


@CONSTRAINED
def test_a_constraint_that_allows_nothing_is_an_error(bench, options) -> None:
    guide = Only([])
    with pytest.raises(EngineError, match="constraint cannot be met"):
        bench.chosen(1, guide=guide, **options)
    assert guide.accepted == []


def test_a_constraint_that_allows_only_what_is_banned_is_an_error(bench) -> None:
    with pytest.raises(EngineError, match="constraint cannot be met"):
        bench.chosen(1, guide=Only([9]), logit_bias={9: -math.inf})


def test_a_mask_is_made_only_where_a_token_was_refused(bench) -> None:
    guide = Only(range(bench.size))
    bench.chosen(50, guide=guide)
    assert guide.masked == 0


def test_a_constraint_changes_nothing_else_about_the_distribution(bench) -> None:
    allowed = bench.order[1:6:2]
    chances = softmax(bench.logits[allowed])
    chosen = bench.chosen(4000, guide=Only(allowed), temperature=1.0, **ALL)
    for token, chance in zip(allowed, chances, strict=True):
        assert share_of(chosen, token) == near(chance, 4000)


def test_a_token_that_was_counted_weighs_as_one_that_was_chosen(bench) -> None:
    rows, guide = Rows(bench.logits), Only(range(bench.size))
    sampler = bench.sampler(guide=guide, temperature=0, presence_penalty=1e6)
    for token in bench.order[:3]:
        sampler.count(token)
    chosen = sampler.choose(rows, 7)
    sampler.close()
    assert chosen == bench.order[3]
    assert guide.accepted == bench.order[:4]


# log probabilities


def test_log_probabilities_are_those_of_numpy(bench) -> None:
    rows = Rows(bench.logits)
    sampler = bench.sampler(logprobs=bench.size, temperature=2.0)
    token = sampler.choose(rows, 7)
    told = sampler.logprob
    sampler.close()
    expected = np.log(softmax(bench.logits))
    assert (told.id, told.logprob) == (token, pytest.approx(expected[token], abs=1e-5))
    assert [other.id for other in told.top] == bench.order
    found = np.array([other.logprob for other in told.top])
    assert found == pytest.approx(expected[bench.order], abs=1e-5)
    assert math.fsum(np.exp(found)) == pytest.approx(1, abs=1e-5)
    assert all(not other.top for other in told.top)


@pytest.mark.parametrize("count", [0, 1, 5, 50])
def test_there_are_as_many_alternatives_as_asked_for(bench, count: int) -> None:
    sampler = bench.sampler(logprobs=count)
    token = sampler.choose(Rows(bench.logits), 7)
    told = sampler.logprob
    sampler.close()
    assert [other.id for other in told.top] == bench.order[:count]
    assert told.data == bench.vocabulary.decode([token])
    assert [other.data for other in told.top] == [
        bench.vocabulary.decode([other]) for other in bench.order[:count]
    ]


@pytest.mark.parametrize("guided", [False, True])
def test_no_option_changes_what_the_model_thought(bench, guided: bool) -> None:
    expected = np.log(softmax(bench.logits))
    guide = Only(bench.order[40:42]) if guided else None
    sampler = bench.sampler(guide=guide, **{**EVERYTHING, "logprobs": 3})
    for _ in range(5):
        token = sampler.choose(Rows(bench.logits), 7)
        assert sampler.logprob.logprob == pytest.approx(expected[token], abs=1e-5)
        assert [other.id for other in sampler.logprob.top] == bench.order[:3]
    sampler.close()


def test_a_token_nobody_chose_has_no_log_probability(bench) -> None:
    sampler = bench.sampler(logprobs=1)
    sampler.choose(Rows(bench.logits), 7)
    assert sampler.logprob is not None
    sampler.count(5)
    assert sampler.logprob is None
    sampler.close()


def test_log_probabilities_are_told_only_if_asked_for(bench) -> None:
    sampler = bench.sampler()
    sampler.choose(Rows(bench.logits), 7)
    assert sampler.logprob is None
    sampler.close()
