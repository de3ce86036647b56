"""Which file of a repository is meant."""

from __future__ import annotations

import pytest
from penstock.errors import ModelNotFound
from penstock_sources.hubspecs import HubSpec
from penstock_sources.quantisation import choose, label, parts

MANY = [
    "README.md", "m-BF16.gguf", "m-IQ4_XS.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf",
    "m-UD-Q4_K_XL.gguf", "m-UD-Q8_K_XL.gguf", "mmproj-m-F16.gguf",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Qwen3-0.6B-Q8_0.gguf", "Q8_0"),
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("model.Q5_K_S.gguf", "Q5_K_S"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("m-IQ2_XXS.gguf", "IQ2_XXS"),
        ("m-fp16.gguf", "F16"),
        ("Q4_K_M/m-00001-of-00002.gguf", "Q4_K_M"),
        ("BF16/m-BF16-00001-of-00002.gguf", "BF16"),
        ("model.gguf", ""),
        ("Q8_0x.gguf", ""),
    ],
)
def test_a_name_tells_its_quantisation(name, told):
    assert label(name) == told


def test_without_one_the_preferred_is_taken():
    assert choose(MANY, None, "x") == ["m-Q4_K_M.gguf"]
    assert choose(["a-F16.gguf", "a-Q8_0.gguf"], None, "x") == ["a-Q8_0.gguf"]


def test_a_single_file_is_taken_whatever_its_name():
    assert choose(["model.gguf", "README.md"], None, "x") == ["model.gguf"]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("q8_0", "m-Q8_0.gguf"),
        ("bf16", "m-BF16.gguf"),
        ("iq4_xs", "m-IQ4_XS.gguf"),
        ("Q4_K_XL", "m-UD-Q4_K_XL.gguf"),
        ("UD-Q8_K_XL", "m-UD-Q8_K_XL.gguf"),
    ],
)
def test_the_case_of_a_quantisation_does_not_matter(wanted, name):
    assert choose(MANY, wanted, "x") == [name]


def test_what_is_not_there_is_answered_with_the_nearest_and_with_all():
    with pytest.raises(ModelNotFound, match=r"Did you mean 'Q4_K_M'\? There is BF16, IQ4_XS"):
        choose(MANY, "Q4_K_N", "x")


def test_several_candidates_are_an_error_that_lists_them():
    with pytest.raises(ModelNotFound, match="several models of 'Q4_K_M'.*a-Q4_K_M.gguf, b-Q4_K_M"):
        choose(["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"], "Q4_K_M", "x")
    with pytest.raises(ModelNotFound, match="several models.*a.gguf, b.gguf"):
        choose(["a.gguf", "b.gguf"], None, "x")


def test_split_files_are_one_model_and_come_in_order():
    names = [f"m-Q8_0-0000{n}-of-00003.gguf" for n in (3, 1, 2)]
    assert choose(names, None, "x") == sorted(names)
    assert parts(names[0]) == sorted(names)


def test_of_a_split_and_a_single_one_the_single_is_taken():
    names = ["m-Q8_0.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]
    assert choose(names, "Q8_0", "x") == ["m-Q8_0.gguf"]


def test_a_repository_without_such_files_is_told_so():
    with pytest.raises(ModelNotFound, match="'x' has no GGUF file"):
        choose(["model.safetensors", "mmproj-F16.gguf"], None, "x")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("a/b", HubSpec("a/b")),
        ("//a/b", HubSpec("a/b")),
        ("a/b/c.gguf", HubSpec("a/b", "c.gguf")),
        ("a/b/d/c.gguf@v1", HubSpec("a/b", "d/c.gguf", revision="v1")),
        ("a/b:Q4_K_M", HubSpec("a/b", quantisation="Q4_K_M")),
        ("a/b:Q4_K_M@refs/pr/1", HubSpec("a/b", quantisation="Q4_K_M", revision="refs/pr/1")),
        ("a/b@main", HubSpec("a/b")),
    ],
)
def test_a_spec_is_taken_apart(text, spec):
    assert HubSpec.parse(text) == spec
    assert HubSpec.parse(str(spec).removeprefix("hf:")) == spec


@pytest.mark.parametrize("text", ["", "a", "a/", "/a/b", "a/b:", "a/b@", "a/../b", "a/b/../c.gguf"])
def test_what_is_no_spec_is_answered_with_how_it_is_written(text):
    with pytest.raises(ModelNotFound, match="It is written hf:owner/repo"):
        HubSpec.parse(text)
