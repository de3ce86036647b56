"""Sampling and deadlines: ranges, and what stands over what."""

from __future__ import annotations

import math

import pytest
from penstock.errors import UsageError
from penstock.messages import Message, Segment
from penstock.request import ENGINE_OPTIONS, CallOptions, Deadlines, Request, Sampling


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 99.5),
        ("top_k", 0),
        ("top_p", 1),
        ("top_p", 1e-9),
        ("min_p", 0.0),
        ("min_p", 1.0),
        ("repeat_penalty", 0.5),
        ("presence_penalty", -2.0),
        ("frequency_penalty", 2),
        ("seed", 0),
        ("max_tokens", 1),
        ("include_stop", False),
        ("ignore_eos", True),
        ("typical_p", 1),
        ("top_n_sigma", 0),
        ("xtc_probability", 1.0),
        ("xtc_threshold", 0),
        ("dynatemp_range", 0.0),
        ("dynatemp_exponent", 0),
        ("mirostat", 2),
        ("mirostat_tau", 0),
        ("mirostat_eta", 5.5),
        ("repeat_last_n", -1),
        ("dry_multiplier", 0),
        ("dry_base", 1),
        ("dry_allowed_length", 0),
        ("dry_penalty_last_n", -1),
        ("dry_sequence_breakers", ()),
        ("logit_bias", ()),
        ("logprobs", 0),
    ],
)
def test_values_at_the_edge_of_a_range_are_in_it(name, value):
    assert getattr(Sampling(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", "warm"),
        ("temperature", True),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0),
        ("top_p", 1.01),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("repeat_penalty", 0),
        ("presence_penalty", math.nan),
        ("frequency_penalty", "2"),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 1.0),
        ("max_tokens", 0),
        ("max_tokens", True),
        ("stop", ""),
        ("stop", ["a", ""]),
        ("stop", [1]),
        ("stop", 1),
        ("stop", {"env": "X"}),
        ("include_stop", 1),
        ("ignore_eos", "yes"),
        ("typical_p", 0),
        ("top_n_sigma", -1),
        ("xtc_probability", 1.1),
        ("xtc_threshold", -0.1),
        ("dynatemp_range", math.inf),
        ("dynatemp_exponent", -1),
        ("mirostat", 3),
        ("mirostat", True),
        ("mirostat_tau", -1),
        ("mirostat_eta", "fast"),
        ("repeat_last_n", -2),
        ("repeat_last_n", 2**31),
        ("dry_multiplier", -0.5),
        ("dry_base", 0.9),
        ("dry_allowed_length", -1),
        ("dry_penalty_last_n", 1.0),
        ("dry_sequence_breakers", ["\n", ""]),
        ("logit_bias", {-1: 0.5}),
        ("logit_bias", {"5": 0.5}),
        ("logit_bias", {5: math.inf}),
        ("logit_bias", {5: math.nan}),
        ("logit_bias", {5: "much"}),
        ("logit_bias", 5),
        ("logit_bias", [5]),
        ("logit_bias", [(5, 1.0, 2.0)]),
        ("logit_bias", {5: 0.5, "a": 0.5}),
        ("logprobs", -1),
        ("logprobs", True),
    ],
)
def test_values_outside_a_range_are_refused_by_name(name, value):
    with pytest.raises(UsageError, match=f"^{name} is .*It must be "):
        Sampling(**{name: value})


@pytest.mark.parametrize("stop", ["END", ["END"], ("END",)])
def test_stop_strings_may_be_one_or_several(stop):
    assert Sampling(stop=stop).stop == ("END",)


def test_biases_are_kept_so_that_nobody_changes_them():
    given = {7: -math.inf, 3: 0.5}
    kept = Sampling(logit_bias=given)
    given[9] = 1.0
    assert kept.logit_bias == ((3, 0.5), (7, -math.inf))
    assert kept == Sampling(logit_bias=[(7, -math.inf), (3, 0.5)])
    assert kept.over(Sampling(seed=1)).logit_bias == kept.logit_bias
    assert hash(kept) == hash(Sampling(logit_bias=kept.logit_bias))


@pytest.mark.parametrize("breakers", ["\n", ["\n"], ("\n",)])
def test_breakers_may_be_one_or_several(breakers):
    assert Sampling(dry_sequence_breakers=breakers).dry_sequence_breakers == ("\n",)


def test_options_set_stand_over_those_of_the_base_and_leave_the_rest():
    base = Sampling(temperature=0.7, top_k=40)
    assert Sampling(temperature=0).over(base) == Sampling(temperature=0, top_k=40)


def test_zero_counts_as_set():
    assert Sampling(temperature=0, top_k=None).chosen() == {"temperature": 0}


def test_options_can_be_taken_away():
    assert Sampling(seed=1, top_k=2).without(frozenset({"top_k"})) == Sampling(seed=1)


def test_the_keywords_of_a_call_are_the_fields_of_sampling():
    assert set(CallOptions.__annotations__) == set(Sampling.__dataclass_fields__)


def test_limits_and_stop_strings_are_no_matter_of_the_engine():
    missing = set(Sampling.__dataclass_fields__) - ENGINE_OPTIONS
    assert missing == {"max_tokens", "stop", "include_stop"}


@pytest.mark.parametrize("value", [-1, math.nan, "5s", True])
def test_deadlines_are_seconds(value):
    with pytest.raises(UsageError, match="the deadline idle is"):
        Deadlines(idle=value)


def test_deadlines_of_a_call_stand_over_those_of_the_model():
    assert Deadlines(idle=1).over(Deadlines(idle=9, total=60)) == Deadlines(idle=1, total=60)


def test_the_text_of_a_request_is_its_prompt_or_its_messages():
    assert Request(prompt=(Segment("<s>", control=True), Segment("Hi"))).text == "<s>Hi"
    assert Request(messages=(Message("user", "a"), Message("assistant", "b"))).text == "a\nb"
