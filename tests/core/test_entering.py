"""Who takes a load for a model, enters it in another way, or gives it something else, is told."""

from __future__ import annotations

import os
from pathlib import Path

import penstock
import penstock_pocket
import pytest
from penstock import Deadlines, Sampling, UsageError, sync

pytestmark = pytest.mark.anyio


def test_a_load_that_is_taken_for_its_model_says_how_it_is_entered():
    with pytest.raises(AttributeError, match="no 'complete'.*`async with penstock.load"):
        penstock.load("echo:").complete("Hi")
    with pytest.raises(AttributeError, match="no 'complete'.*`with penstock.sync.load"):
        sync.load("echo:").complete("Hi")


async def test_a_load_that_is_awaited_says_how_it_is_entered():
    with pytest.raises(UsageError, match="`async with penstock.load"):
        await penstock.load("echo:")


def test_a_load_of_an_event_loop_that_is_entered_without_one_names_the_other():
    with (
        pytest.raises(UsageError, match=r"without an event loop `with penstock\.sync\.load"),
        penstock.load("echo:"),
    ):
        raise AssertionError


async def test_a_blocking_load_that_is_entered_in_an_event_loop_names_the_other():
    with pytest.raises(UsageError, match=r"in an event loop `async with penstock\.load"):
        async with sync.load("echo:"):
            raise AssertionError


def test_a_load_has_what_it_has_and_nothing_else():
    assert hasattr(penstock.load("echo:"), "progress")
    assert not hasattr(penstock.load("echo:"), "complete")


async def test_a_path_is_a_target():
    async with penstock.load(Path(penstock_pocket.path())) as model:
        assert model.info.name == "Penstock Pocket"


@pytest.mark.parametrize("load", [penstock.load, sync.load])
@pytest.mark.parametrize("target", [3, b"echo:", ["echo:"], os.scandir])
def test_a_target_that_is_neither_text_nor_path_is_named(load, target):
    with pytest.raises(UsageError, match="the target is .* It is a path, or a text such as"):
        load(target)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sampling": {"temperature": 0}}, r"sampling=\{'temperature': 0\}.*penstock\.Sampling\("),
        ({"deadlines": {"total": 3}}, r"deadlines=\{'total': 3\}.*penstock\.Deadlines\("),
        ({"deadlines": 3}, r"deadlines=3.*penstock\.Deadlines\("),
        ({"sampling": Deadlines()}, r"sampling=Deadlines\(.*penstock\.Sampling\("),
        ({"device": 3}, r"device=3\. It is a text such as 'cpu'"),
        ({"chat_template": 3}, r"chat_template=3\. It is a name, or Jinja"),
        ({"options": "n_ctx=3"}, r"options is of type str.*\{'n_ctx': 2048\}"),
        ({"options": {3: 4}}, r"options has the key 3"),
        ({"options": [("n_ctx", 3)]}, r"options is of type list"),
    ],
)
def test_an_argument_of_another_type_is_named_with_what_it_is(given, told):
    with pytest.raises(UsageError, match=told):
        penstock.load("echo:", **given)


def test_options_of_another_type_are_not_shown_as_they_may_hold_a_secret():
    with pytest.raises(UsageError) as caught:
        penstock.load("openai:x", options=["api_key=sk-1"])
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize("deadlines", [3, {"total": 3}, Sampling(seed=1)])
async def test_deadlines_of_a_call_that_are_of_another_type_are_named(deadlines):
    async with penstock.load("echo:") as model:
        with pytest.raises(UsageError, match=r"deadlines=.*penstock\.Deadlines\(total=60\)"):
            model.complete("Hi", deadlines=deadlines)
        with pytest.raises(UsageError, match=r"deadlines="):
            model.session().send("Hi", deadlines=deadlines)
        assert (await model.complete("Hi")).text == "Hi"
