"""Options are typed, checked before the library sees them, and told afterwards."""

from __future__ import annotations

import pytest
from penstock.errors import LoadError, UsageError
from penstock_ctransformers import library, processor
from penstock_ctransformers.backend import CTransformers
from penstock_ctransformers.options import LoadOptions


def test_nothing_said_is_the_defaults() -> None:
    assert LoadOptions.of({}) == LoadOptions()


def test_the_names_of_ctransformers_are_understood() -> None:
    options = LoadOptions.of({"context_length": 64, "threads": 2, "batch_size": 8, "lib": "basic"})
    assert options == LoadOptions(n_ctx=64, n_threads=2, n_batch=8, library="basic")


def test_one_option_under_two_names_is_refused() -> None:
    with pytest.raises(UsageError, match="n_ctx is given twice, as 'context_length'"):
        LoadOptions.of({"n_ctx": 1, "context_length": 2})


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no option 'n_treads'.*'n_threads'"):
        LoadOptions.of({"n_treads": 1})
    with pytest.raises(UsageError, match="Options are n_ctx, n_batch"):
        LoadOptions.of({"zzz": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_ctx", -1), ("n_ctx", "long"), ("n_ctx", True), ("n_batch", 0), ("n_batch", 513),
        ("n_batch", None), ("n_threads", 0), ("n_threads", 1.5), ("n_threads_batch", 513),
        ("n_gpu_layers", -2), ("library", "cuda"), ("library", None), ("model_type", "bert"),
        ("template", ""), ("template", 5), ("reuse_prefix", 1), ("use_mmap", "yes"),
        ("use_mlock", None),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_with_what_can(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"option {name} is .*It must be"):
        LoadOptions.of({name: value})


def test_what_was_chosen_is_told(fresh, pocket) -> None:
    engine = fresh(pocket, n_ctx=96, n_threads=1, n_batch=16, library="basic")
    info = engine.info
    assert info.context_length == 96
    assert info.device == "cpu"
    told = {name: info.details[name] for name in ("library", "n_threads", "n_batch", "model_type")}
    assert told == {"library": "basic", "n_threads": 1, "n_batch": 16, "model_type": "llama"}


@pytest.mark.parametrize("name", ["basic", "avx", "avx2"])
def test_every_library_says_the_same(fresh, ask, text_of, pocket, engine, name: str) -> None:
    if not processor.runs(name, processor.features()):
        pytest.skip(f"this processor cannot run {name}")
    options = {"temperature": 0.0, "max_tokens": 12}
    found = text_of(ask(fresh(pocket, library=name), "Once upon a time", **options))
    assert found == text_of(ask(engine, "Once upon a time", **options))


def test_a_library_that_the_processor_cannot_run_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(processor, "features", lambda: frozenset({"avx", "f16c"}))
    assert library.choose("auto", "cpu") == "avx"
    with pytest.raises(LoadError, match="cannot run the library 'avx2'.*auto"):
        library.choose("avx2", "cpu")
    monkeypatch.setattr(processor, "features", frozenset)
    assert library.choose("auto", "cpu") == "basic"


def test_cuda_without_its_libraries_or_a_gpu_is_an_error_and_not_the_end(fresh, pocket) -> None:
    try:
        engine = fresh(pocket, device="cuda")
    except LoadError as error:
        assert "device='cpu'" in str(error)  # noqa: PT017  # on a machine with a GPU there is none
    else:
        assert engine.info.device == "cuda"


def test_an_unknown_device_is_refused(fresh, pocket) -> None:
    with pytest.raises(LoadError, match="no device 'metal'.*cuda"):
        fresh(pocket, device="metal")


def test_a_context_beyond_memory_is_refused(fresh, pocket) -> None:
    with pytest.raises(LoadError, match=r"GiB.*Set n_ctx; the model was trained with 1024"):
        fresh(pocket, n_ctx=2**30)


def test_a_template_has_a_name_or_is_jinja(fresh, pocket) -> None:
    assert "<|im_start|>" in (fresh(pocket, template="chatml").info.chat_template or "")
    assert fresh(pocket, template="{{ messages }}").info.chat_template == "{{ messages }}"
    with pytest.raises(UsageError, match="no chat template 'chatlm'.*chatml"):
        fresh(pocket, template="chatlm")


def test_the_doctor_hears_of_the_release_and_the_libraries() -> None:
    found = {finding.subject: finding for finding in CTransformers().diagnose()}
    assert found["release"].found == library.version()
    assert "basic" in found["libraries"].found
    assert found["library for this processor"].found in library.LIBRARIES
    assert all(finding.ok for finding in found.values())
