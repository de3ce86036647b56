"""Load options are typed, and a wrong one is named."""

from __future__ import annotations

import pytest
from penstock.errors import UsageError
from penstock_llamacpp.options import LoadOptions


def test_nothing_said_gives_the_defaults() -> None:
    assert LoadOptions.parse({}) == LoadOptions()


def test_options_are_taken_as_written() -> None:
    options = LoadOptions.parse({"n_ctx": 512, "flash_attn": True, "n_threads": None})
    assert (options.n_ctx, options.flash_attn, options.n_threads) == (512, True, None)


def test_an_unknown_option_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(UsageError, match=r"'n_ctxx'.*'n_ctx'"):
        LoadOptions.parse({"n_ctxx": 512})


def test_an_option_like_no_other_lists_them_all() -> None:
    with pytest.raises(UsageError, match="use_mmap"):
        LoadOptions.parse({"zzz": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_ctx", -1),
        ("n_ctx", "4096"),
        ("n_ctx", 10**12),
        ("n_ctx", 1.5),
        ("n_ctx", True),
        ("n_ctx_limit", 0),
        ("n_batch", 0),
        ("n_ubatch", None),
        ("n_threads", 0),
        ("n_threads", 513),
        ("n_threads_batch", -2),
        ("n_gpu_layers", -2),
        ("use_mmap", "yes"),
        ("use_mlock", 1),
        ("flash_attn", "on"),
        ("flash_attn", None),
    ],
)
def test_a_wrong_value_is_named_with_its_option(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name} is "):
        LoadOptions.parse({name: value})


@pytest.mark.parametrize(
    ("asked", "trained", "length"),
    [(None, 1024, 1024), (0, 1024, 1024), (None, 10**6, 16384), (2048, 1024, 2048)],
)
def test_the_context_length_is_the_models_own_up_to_the_limit(
    asked: int | None, trained: int, length: int
) -> None:
    assert LoadOptions(n_ctx=asked).context_length(trained) == length
