"""The same weights say the same thing in NumPy and in llama.cpp."""

from pathlib import Path

import numpy as np
import pytest
from recipe import forward

BOS, EOS = 1, 2
PROMPTS = ["Once upon a time", "One day, a brave fox named", "There was a", "Hello 😊 你好"]


@pytest.fixture(scope="module")
def weights(model: Path) -> forward.Weights:
    return forward.read(model)


def test_a_text_in_parts_gives_the_logits_of_the_whole(weights: forward.Weights) -> None:
    tokens = [BOS, 300, 700, 301, 1400, 299]
    whole = forward.Pass(weights).feed(tokens)
    parts = forward.Pass(weights)
    parts.feed(tokens[:2])
    parts.feed(tokens[2:5])
    np.testing.assert_allclose(parts.feed(tokens[5:]), whole, rtol=1e-3, atol=1e-3)


def test_the_order_of_tokens_matters(weights: forward.Weights) -> None:
    one = forward.Pass(weights).feed([BOS, 300, 700, 301])
    other = forward.Pass(weights).feed([BOS, 700, 300, 301])
    assert np.abs(one - other).max() > 0.1


def test_greedy_text_is_the_one_of_llama_cpp(model: Path, weights: forward.Weights) -> None:
    """Token by token, when NumPy rounds what the engine rounds; near ties are left out."""
    pytest.importorskip("llama_cpp")
    engine = pytest.importorskip("recipe.engine")
    compared = 0
    with engine.Engine(model, batch=1) as running:
        for text in PROMPTS:
            prompt = [BOS, *running.tokens(text)]
            steps = forward.greedy(forward.Pass(weights, True), prompt, limit=60, end=EOS)
            sure = next((i for i, s in enumerate(steps) if s.margin < 0.01), len(steps))
            said = running.complete(prompt, 60).tokens
            assert [step.token for step in steps[:sure]] == list(said[:sure])
            compared += sure
    assert compared > 40


def test_rounding_like_the_engine_changes_little(weights: forward.Weights) -> None:
    tokens = [BOS, 300, 700, 301, 1400, 299]
    exact = forward.Pass(weights).feed(tokens)
    rounded = forward.Pass(weights, as_engine=True).feed(tokens)
    assert 0 < np.abs(exact - rounded).max() < 0.5
