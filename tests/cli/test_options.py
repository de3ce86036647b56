"""How the texts of options are read."""

from __future__ import annotations

import pytest
from penstock import Deadlines
from penstock.cli.options import deadlines_of, load_options
from penstock.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4096", 4096),
        ("-1", -1),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("q8_0", "q8_0"),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_read_as_the_narrowest_type_it_can_be(text, value):
    found = load_options([f"key={text}"])["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("pair", ["key", "=1", ""])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(UsageError, match="KEY=VALUE"):
        load_options([pair])


def test_no_pairs_are_no_options():
    assert load_options(None) == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("0.5", 0.5), ("30s", 30), ("500ms", 0.5), ("2m", 120), (" 1h", 3600), ("0", 0)],
)
def test_a_deadline_is_written_as_in_the_configuration_or_as_a_number(text, seconds):
    assert deadlines_of([f"total={text}"]) == Deadlines(total=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1d", "inf", "1 s 2"])
def test_what_is_no_time_is_refused_with_what_is_one(text):
    with pytest.raises(UsageError, match=r"--deadline 'total=.*NAME=TIME.*500ms"):
        deadlines_of([f"total={text}"])
