"""Models and engines for the tests of the ctransformers backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import penstock_pocket
import pytest
from penstock.backend import CancelFlag, ModelSpec, OptionValue
from penstock.events import EngineEvent, Token
from penstock.messages import Segment
from penstock.request import Request, Sampling
from penstock_ctransformers.backend import CTransformers
from penstock_ctransformers.engine import CTransformersEngine

from .ggml import write_gpt2

Load = Callable[..., CTransformersEngine]


def load(path: Path, *, device: str = "auto", **options: OptionValue) -> CTransformersEngine:
    spec = ModelSpec(source=str(path), path=path, device=device, options=options)
    return anyio.run(partial(CTransformers().load, spec, lambda _progress: None))


def request(prompt: str | tuple[Segment, ...], **options: object) -> Request:
    segments = (Segment(prompt),) if isinstance(prompt, str) else prompt
    return Request(prompt=segments, sampling=Sampling(**options))


def ask(
    engine: CTransformersEngine, prompt: str | tuple[Segment, ...], **options: object
) -> list[EngineEvent]:
    return list(engine.generate(request(prompt, **options), CancelFlag()))


def text_of(events: list[EngineEvent]) -> str:
    data = b"".join(event.data for event in events if isinstance(event, Token))
    return data.decode("utf-8", "replace")


@pytest.fixture(scope="session")
def pocket() -> Path:
    return penstock_pocket.path()


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A legacy GGML file: a tiny GPT-2 of random weights."""
    return write_gpt2(tmp_path_factory.mktemp("ggml") / "tiny.bin")


@pytest.fixture(scope="module")
def engine(pocket: Path) -> Iterator[CTransformersEngine]:
    engine = load(pocket)
    yield engine
    engine.close()


@pytest.fixture
def fresh() -> Iterator[Load]:
    """Loads models that are closed when the test ends."""
    opened: list[CTransformersEngine] = []

    def load_fresh(path: Path, **options: OptionValue) -> CTransformersEngine:
        opened.append(load(path, **options))
        return opened[-1]

    yield load_fresh
    for engine in opened:
        engine.close()


@pytest.fixture(name="ask", scope="session")
def _ask() -> Callable[..., list[EngineEvent]]:
    """`ask(engine, prompt, **options)` returns the events of one generation."""
    return ask


@pytest.fixture(name="text_of", scope="session")
def _text_of() -> Callable[[list[EngineEvent]], str]:
    """`text_of(events)` joins what the tokens stand for."""
    return text_of


@pytest.fixture(name="request_for", scope="session")
def _request_for() -> Callable[..., Request]:
    """`request_for(prompt, **options)` makes a request."""
    return request
