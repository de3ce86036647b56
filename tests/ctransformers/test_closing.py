"""What a model took is given back, and nothing runs after its end."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
from pathlib import Path

import penstock
import pytest
from penstock.errors import ModelClosed
from penstock_ctransformers import ggufs, library
from penstock_ctransformers.loaded import Loaded, Threads


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_loading_and_closing_again_and_again_takes_no_more_memory(fresh, ask, pocket) -> None:
    def once() -> None:
        engine = fresh(pocket, n_ctx=1024)
        ask(engine, "Once", max_tokens=2)
        engine.close()

    for _ in range(5):
        once()
    gc.collect()
    before = resident()
    for _ in range(30):
        once()
    gc.collect()
    assert resident() - before < 20 * 2**20  # keys and values alone are 4.5 MiB each time


def test_threads_and_files_return_to_where_they_were() -> None:
    def count() -> tuple[int, int]:
        # Threads of event loops that are idle end when they like.
        ours = [thread for thread in threading.enumerate() if "Penstock Pocket" in thread.name]
        return len(ours), len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs Linux")
    with penstock.sync.load("ctransformers:pocket:"):
        pass
    before = count()
    for _ in range(3):
        with penstock.sync.load("ctransformers:pocket:") as model:
            model.complete("Once", max_tokens=3).result()
    assert count() == before


def test_a_closed_model_says_so(fresh, ask, pocket) -> None:
    engine = fresh(pocket)
    engine.close()
    engine.close()
    with pytest.raises(ModelClosed, match="Penstock Pocket"):
        engine.tokenize("text")
    with pytest.raises(ModelClosed):
        ask(engine, "text")


def test_a_load_that_fails_late_frees_what_it_made(fresh, pocket, monkeypatch) -> None:
    closed: list[Loaded] = []
    real = Loaded.close
    monkeypatch.setattr(Loaded, "close", lambda self: (closed.append(self), real(self))[1])
    with pytest.raises(penstock.UsageError, match="no chat template"):
        fresh(pocket, template="none")
    assert len(closed) == 1


def test_what_the_library_refuses_is_an_error(pocket, monkeypatch) -> None:
    native = library.open_library(library.choose("auto", "cpu"))
    file = ggufs.read(pocket)
    with pytest.raises(penstock.InvalidModel, match="does not say why"):
        Loaded(
            native,
            dataclasses.replace(file, path=Path("/dev/null")),
            library.Config(64, 0, True, False),
            Threads(1, 1),
        )
