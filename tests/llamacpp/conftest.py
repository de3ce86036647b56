"""Models and engines for the tests of the llama.cpp backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest
from penstock.backend import CancelFlag, ModelSpec
from penstock.events import Finish, Prefill, Token
from penstock.messages import Segment
from penstock.request import Request, Sampling
from penstock_llamacpp.backend import LlamaCpp
from penstock_llamacpp.engine import LlamaCppEngine
from penstock_llamacpp.probe import write_model

POCKET = Path(__file__).parents[2] / "plugins/pocket/src/penstock_pocket/pocket.gguf"


@dataclass
class Answer:
    """Everything one generation yielded."""

    prefills: list[Prefill] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    finish: Finish | None = None

    @property
    def ids(self) -> list[int]:
        return [token.id for token in self.tokens]

    @property
    def data(self) -> bytes:
        return b"".join(token.data for token in self.tokens)


def request(prompt: str | tuple[Segment, ...], **options: object) -> Request:
    segments = (Segment(prompt),) if isinstance(prompt, str) else prompt
    return Request(prompt=segments, sampling=Sampling(**options))


def ask(engine: LlamaCppEngine, prompt: str | tuple[Segment, ...], **options: object) -> Answer:
    answer = Answer()
    for event in engine.generate(request(prompt, **options), CancelFlag()):
        match event:
            case Prefill():
                answer.prefills.append(event)
            case Token():
                answer.tokens.append(event)
            case Finish():
                answer.finish = event
    return answer


def load(path: Path, **options: object) -> LlamaCppEngine:
    spec = ModelSpec(source=str(path), path=path, options=options)
    return anyio.run(partial(LlamaCpp().load, spec, lambda _progress: None))


Load = Callable[..., LlamaCppEngine]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama model of random Q8_0 weights."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny.gguf", layers=2)


@pytest.fixture(scope="session")
def pocket() -> Path:
    """A model that was trained: the pocket model."""
    if not POCKET.exists():
        pytest.skip("the pocket model is not here")
    return POCKET


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[LlamaCppEngine]:
    engine = load(tiny)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def trained(pocket: Path) -> Iterator[LlamaCppEngine]:
    engine = load(pocket)
    yield engine
    engine.close()


@pytest.fixture
def fresh(tiny: Path) -> Iterator[Load]:
    """Loads models that are closed when the test ends."""
    opened: list[LlamaCppEngine] = []

    def load_fresh(path: Path = tiny, **options: object) -> LlamaCppEngine:
        opened.append(load(path, **options))
        return opened[-1]

    yield load_fresh
    for engine in opened:
        engine.close()


@pytest.fixture(name="ask", scope="session")
def _ask() -> Callable[..., Answer]:
    """`ask(engine, prompt, **options)` runs one generation to its end."""
    return ask


@pytest.fixture(name="request_for", scope="session")
def _request_for() -> Callable[..., Request]:
    """`request_for(prompt, **options)` makes a request."""
    return request


@pytest.fixture(scope="session")
def chat() -> tuple[Segment, ...]:
    """A question in the pocket model's template."""
    return (
        Segment("<s><|user|>", control=True),
        Segment("What is the opposite of hot?"),
        Segment("</s><|assistant|>", control=True),
    )
