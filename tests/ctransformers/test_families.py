"""All families of legacy files load, stream, and end where their context does."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.errors import InvalidModel
from penstock.events import Token
from penstock_ctransformers import legacy
from penstock_ctransformers.splitting import UnigramSplitter

from .families import CONTEXT, FAMILIES, write

HELLO = "Hello the cat 👋"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_found_out_and_runs(fresh, ask, tmp_path: Path, family: str) -> None:
    engine = fresh(write(tmp_path / "model.bin", family), n_ctx=CONTEXT)
    assert engine.info.details["model_type"] == family
    ids = engine.tokenize(HELLO)
    assert engine.detokenize(ids).strip() == HELLO.encode()
    greedy = ask(engine, HELLO, temperature=0.0, max_tokens=16)
    assert any(isinstance(event, Token) for event in greedy)
    events = ask(engine, HELLO, ignore_eos=True, seed=1)
    assert len(ids) + sum(isinstance(event, Token) for event in events) == CONTEXT
    assert events[-1].reason == "length"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_that_is_cut_off_is_refused(tmp_path: Path, family: str) -> None:
    path = write(tmp_path / "model.bin", family)
    data = path.read_bytes()
    for length in [*range(4, len(data), 2003), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(InvalidModel):
            legacy.read(path, None)


def test_the_ends_of_a_dolly_are_two(fresh, tmp_path: Path) -> None:
    engine = fresh(write(tmp_path / "model.bin", "dolly-v2"))
    names = {engine._vocabulary.name(end) for end in engine._vocabulary.ends}
    assert names == {"<|endoftext|>", "### End"}


def test_text_is_cut_where_scores_are_greatest() -> None:
    pieces = [b"<unk>", b"a", b"b", b"ab", b"abc", b"bc"]
    split = UnigramSplitter(pieces, [0.0, -1.0, -1.0, -3.0, -9.0, -1.5])
    assert split(b"ab") == [1, 2]
    assert split(b"abc") == [1, 5]
    assert split(b"a??b") == [1, 0, 2]
    assert split(b"") == []
    assert len(split(b"ab" * 20_000)) == 40_000
