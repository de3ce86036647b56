"""The table of short names."""

from __future__ import annotations

import re

import pytest
from penstock import Registry
from penstock.errors import ModelNotFound
from penstock_sources.hubspecs import HubSpec
from penstock_sources.presets import presets
from penstock_sources.quantisation import label


def test_there_are_many_and_each_names_a_quantisation_of_a_model_of_the_hub():
    found = list(presets())
    assert len(found) >= 40
    for preset in found:
        spec = HubSpec.parse(preset.target.removeprefix("hf:"))
        assert label(f"x-{spec.quantisation}.gguf") == spec.quantisation, preset
        assert re.fullmatch(r"[a-z0-9.-]+", preset.name), preset
        assert re.match(r"[\d.]+ GB, .+", preset.summary), preset


def test_a_name_stands_for_its_target():
    target = Registry.installed().parse("qwen3-0.6b")
    assert (target.scheme, target.rest) == ("hf", "Qwen/Qwen3-0.6B-GGUF:Q8_0")


def test_a_name_that_is_nearly_one_is_answered_with_the_nearest():
    registry = Registry.installed()
    with pytest.raises(
        ModelNotFound, match=r"Did you mean 'qwen3-0.6b'.*`penstock models --presets`"
    ):
        registry.resolve(registry.parse("qwen3-06b"))
