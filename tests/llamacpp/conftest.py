"""Models and engines for the tests of the llama.cpp backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from penstock.backend import ModelSpec, OptionValue
from penstock.messages import Segment
from penstock.request import Request, Sampling
from penstock.testing import Record
from penstock_llamacpp.backend import LlamaCpp
from penstock_llamacpp.context import Context
from penstock_llamacpp.devices import Choice, choose, listed
from penstock_llamacpp.engine import LlamaCppEngine
from penstock_llamacpp.library import load_library
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.probe import write_model
from penstock_llamacpp.weights import Weights

POCKET = Path(__file__).parents[2] / "plugins/pocket/src/penstock_pocket/pocket.gguf"


def request(prompt: str | tuple[Segment, ...], **options: object) -> Request:
    segments = (Segment(prompt),) if isinstance(prompt, str) else prompt
    return Request(prompt=segments, sampling=Sampling(**options))


def submit(
    engine: LlamaCppEngine,
    prompt: str | tuple[Segment, ...],
    *,
    behind_after: int | None = None,
    **options: object,
) -> Record:
    record = Record(request(prompt, **options), behind_after=behind_after)
    engine.submit(record)
    return record


def ask(engine: LlamaCppEngine, prompt: str | tuple[Segment, ...], **options: object) -> Record:
    record = submit(engine, prompt, **options)
    record.wait()
    return record


def load(
    path: Path, *, context: type[Context] = Context, device: str = "auto", **options: object
) -> LlamaCppEngine:
    spec = ModelSpec(source=str(path), path=path, device=device, options=options)
    return anyio.run(partial(LlamaCpp(context).load, spec, lambda _progress: None))


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


@pytest.fixture
def opened() -> Iterator[Callable[..., Weights]]:
    """`opened(path, **options)` loads weights alone, on the CPU; closed when the test ends."""
    found: list[Weights] = []

    def open_weights(path: Path, **options: OptionValue) -> Weights:
        library, read = load_library(), LoadOptions.of(options)
        weights = Weights(library, path, read, choice=Choice(), keep_going=lambda _share: True)
        found.append(weights)
        return weights

    yield open_weights
    for weights in found:
        weights.close()


@pytest.fixture
def on_cpu(fresh: Load) -> Load:
    """As `fresh`, but on the CPU, also where there is a GPU."""
    return partial(fresh, device="cpu")


@pytest.fixture(scope="session")
def has_gpu() -> bool:
    """Whether models are loaded onto a GPU here, if nothing is said."""
    return bool(choose(listed(load_library()), "auto").devices)


@pytest.fixture(name="ask", scope="session")
def _ask() -> Callable[..., Record]:
    """`ask(engine, prompt, **options)` runs one generation to its end."""
    return ask


def certain(record: Record, margin: float) -> list[int]:
    """Return the ids up to the first whose choice was closer than `margin`, in natural logarithms.

    Rows that are evaluated in another company come out a little differently (other kernels, other
    order of sums), which changes a choice only where two tokens are nearly as likely.
    """
    ids: list[int] = []
    for token in record.tokens:
        assert token.logprob is not None
        own = token.logprob.logprob
        # A token that is banned may be likelier: it was not to be chosen.
        others = [other.logprob for other in token.logprob.top if other.id != token.id]
        if any(abs(own - other) < margin for other in others):
            break
        ids.append(token.id)
    return ids


@pytest.fixture(name="certain", scope="session")
def _certain() -> Callable[[Record, float], list[int]]:
    """`certain(record, margin)` cuts its ids where the choice was nearly a tie."""
    return certain


@pytest.fixture(name="submit", scope="session")
def _submit() -> Callable[..., Record]:
    """`submit(engine, prompt, **options)` starts one generation."""
    return submit


@pytest.fixture(name="load_engine", scope="session")
def _load_engine() -> Load:
    """`load_engine(path, **options)` loads a model; whoever calls it closes it."""
    return load


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
