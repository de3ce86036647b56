"""The seam: what a plugin author implements, and the words that describe an engine.

A `Backend` loads; what it returns is an `Engine` (async), a `BlockingEngine` (a plain generator,
which Penstock runs on a thread of its own) or a `BatchingEngine` (which runs many generations at
once by itself). Everything else is written once, above them.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from penstock.arguments import assert_field
from penstock.errors import BackendBug, ModelNotFound, Unsupported
from penstock.events import Embeddings, EngineEvent
from penstock.messages import PromptLike, as_segments
from penstock.request import Request, Sampling
from penstock.secret import Secret
from penstock.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Activity",
    "AnyEngine",
    "Backend",
    "BatchingEngine",
    "BlockingEngine",
    "CancelFlag",
    "Capabilities",
    "Engine",
    "Finding",
    "LoadProgress",
    "ModelInfo",
    "ModelSpec",
    "OptionValue",
    "ProgressSink",
    "Ticket",
]

OptionValue: TypeAlias = str | int | float | bool | Secret | Sequence[str | float] | None
"""What an option of a backend may be: a scalar, a secret, or several texts or numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What to load: a `path` on this machine, or else a remote id in `source`.

    `options` are the backend's own, as the user wrote them: the backend checks them and names the
    ones it does not know. They are not printed with the rest: a key may be among them.
    """

    source: str
    path: Path | None = None
    device: str = "auto"
    options: Mapping[str, OptionValue] = field(default_factory=dict, repr=False)

    def file(self) -> Path:
        """Return the path, for backends that load files. Raises `ModelNotFound` without one."""
        if self.path is None:
            raise ModelNotFound(
                f"{self.source!r} names no file on this machine",
                hint="This backend loads files: give a path, or a source that leads to one",
            )
        return self.path


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far loading has come: a phase, and the share of it done, 0 to 1.

    The phases are `resolving`, `downloading`, `verifying`, `loading`, `warming` and `ready`, in
    this order; those that take no time are left out, and a backend may have others.

    bytes   how many bytes are there, of all files together; None where none are counted
    total   how many there will be; None where nobody knows
    rate    bytes per second, over the last seconds
    file    the name of the file at hand
    sha256  of `file`, in hexadecimal digits, where none was known that it could be compared with
    """

    phase: str
    fraction: float
    bytes: int | None = None
    total: int | None = None
    rate: float | None = None
    file: str | None = None
    sha256: str | None = None


class ProgressSink(Protocol):
    """Receives progress; may be called from any thread, and must not block."""

    def __call__(self, progress: LoadProgress, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do beyond generating text. Raises `BackendBug` for what it cannot be.

    options    the names of `ENGINE_OPTIONS` it honours; the others are refused or dropped
    messages   it takes conversations as they are, and applies its own template
    tokenize   it can tokenize and detokenize
    embed      it can give vectors for texts
    state      it can save what it has evaluated, and take it up again
    shapes     it applies stop sequences, UTF-8 and `max_tokens` itself (with
               `penstock.streams.Assembly`), so that its deltas are passed on untouched
    limits     it ends by itself at `max_tokens`, and may not know how many tokens a delta holds;
               one that binds answers itself says `stop` where the last of them makes one whole
    seeds      it is told a seed for every call, drawn where the call leaves it open
    parallel   how many generations it runs at once; None is without limit
    """

    options: frozenset[str] = frozenset()
    messages: bool = False
    tokenize: bool = False
    embed: bool = False
    state: bool = False
    shapes: bool = False
    limits: bool = False
    seeds: bool = True
    parallel: int | None = 1

    def __post_init__(self) -> None:
        assert_field(self, "options", AbstractSet, "a frozenset of names", BackendBug)
        assert_field(self, "parallel", int | None, "a whole number, or None", BackendBug)
        if self.parallel is not None and self.parallel < 1:
            raise BackendBug(
                f"Capabilities(parallel={self.parallel!r})", hint="It must be 1 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a loaded model. None is: the engine does not tell.

    Raises `BackendBug` where it is made of what it cannot be.

    `defaults` are the engine's values for options a call leaves open. `chat_template` is Jinja
    source, `bos_token` and `eos_token` the texts it may use.
    """

    name: str
    backend: str = ""
    context_length: int | None = None
    vocabulary_size: int | None = None
    chat_template: str | None = None
    bos_token: str = ""
    eos_token: str = ""
    device: str = "unknown"
    capabilities: Capabilities = field(default_factory=Capabilities)
    defaults: Sampling = field(default_factory=Sampling)
    details: Mapping[str, OptionValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert_field(self, "name", str, "a text", BackendBug)
        assert_field(self, "context_length", int | None, "a whole number, or None", BackendBug)
        assert_field(
            self, "chat_template", str | None, "the text of a template, or None", BackendBug
        )
        assert_field(self, "capabilities", Capabilities, "Capabilities", BackendBug)
        assert_field(self, "defaults", Sampling, "a Sampling", BackendBug)
        assert_field(self, "details", Mapping, "a mapping", BackendBug)


@dataclass(frozen=True, slots=True)
class Activity:
    """What an engine is doing: generations running, and tokens generated since it was loaded."""

    running: int
    tokens: int


class CancelFlag:
    """Tells a blocking engine to stop. Safe from any thread; once set, it stays set."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask for the stop."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake at once when asked to stop; return whether that was so."""
        return self._event.wait(seconds)


class _Described(ABC):
    """What both kinds of engine share: a description, and abilities declared in it."""

    info: ModelInfo

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the token ids of `prompt` as the engine would evaluate it.

        Must be safe while a generation runs. Raises `Unsupported` by default.
        """
        raise Unsupported(f"{self.info.name!r} cannot tokenize {as_segments(prompt)!r}")

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes that `ids` stand for. Raises `Unsupported` by default."""
        raise Unsupported(f"{self.info.name!r} cannot detokenize {ids!r}")

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector for each text, waiting for it. Raises `Unsupported` by default.

        Must be safe while generations run, and from any thread. A text that is too long is refused
        with `ContextOverflow`, never cut off.
        """
        raise Unsupported(f"{self.info.name!r} cannot embed {len(texts)} texts")

    def save_state(self, prompt: PromptLike, path: Path) -> int:
        """Save what is evaluated of `prompt` and its answer; return how many tokens that is.

        Raises `Unsupported` by default, and `UsageError` if nothing of it is evaluated.
        """
        raise Unsupported(f"{self.info.name!r} cannot save {as_segments(prompt)!r} to {path}")

    def load_state(self, path: Path) -> int:
        """Take up a saved state, so that prompts that begin with its text need not be evaluated.

        Returns how many tokens it has. Raises `Unsupported` by default, and `LoadError` for a file
        that is damaged or of another model.
        """
        raise Unsupported(f"{self.info.name!r} cannot take up the state in {path}")

    def activity(self) -> Activity | None:
        """Return what the engine is doing. None, the default: nothing beyond what it is asked for.

        An engine that works ahead of its iterator (threads, prefetch) reports it here.
        """
        return None


class Engine(_Described):
    """A loaded model whose calls are asynchronous."""

    @abstractmethod
    def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        """Generate one answer; usually an async generator.

        It is iterated and closed in one task. When the consumer leaves, that task is cancelled at
        the point where it waits, and the generator is closed: work must stop there.
        """

    async def aclose(self) -> None:
        """Free everything. Called once, with no generation running."""
        return


class BlockingEngine(_Described):
    """A loaded model whose calls block. All of them run on one thread, one at a time."""

    @abstractmethod
    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Generate one answer; usually a generator.

        When the consumer leaves, the generator is closed where it yields. Between yields, look at
        `cancel` wherever work takes long (for example between chunks of the prompt), and return.
        """

    def close(self) -> None:
        """Free everything. Called once, on the engine's thread, with no generation running."""
        return


class Ticket(Protocol):
    """A generation, as a `BatchingEngine` receives it. All but `left` belong to its own thread.

    The order of calls is `request`, `admit`, `deliver` any number of times, `end`.
    """

    @property
    def left(self) -> bool:
        """Whether nobody wants it any more; from any thread."""

    @property
    def full(self) -> bool:
        """Whether its reader is so far behind that the engine should leave it out for a while."""

    def request(self) -> Request:
        """Return what to generate. May take milliseconds, and raises what a template raises."""

    def admit(self) -> bool:
        """Note that work on it begins; return whether anybody still wants it."""

    def deliver(self, event: EngineEvent, *, quietly: bool = False) -> bool:
        """Pass an event on, without waiting; return whether to go on with this generation.

        To wake a reader takes time that the engine may lack: with `quietly`, a reader who sleeps is
        left asleep until something is delivered without it, `wake`, `when_room` or `end`.
        """

    def wake(self) -> None:
        """Wake a reader who sleeps though something was delivered."""

    def end(self, error: BaseException | None = None) -> None:
        """Say that the engine works for it no more, and why if it failed. Harmless twice."""

    def on_leave(self, call: Callable[[], object]) -> None:
        """Have `call` made when nobody wants it any more; from any thread, at once if so now.

        It may be made twice where the two cross.
        """

    def when_room(self, call: Callable[[], object]) -> None:
        """Have `call` made once when a `full` reader has caught up or left; from any thread."""


class BatchingEngine(_Described):
    """A loaded model that runs many generations in common steps, on a thread of its own.

    It pushes: what it generates goes to the ticket's `deliver`, many generations a step.
    """

    @abstractmethod
    def submit(self, ticket: Ticket) -> None:
        """Take a generation, from any thread and without waiting, to be run in order of arrival.

        Raises `QueueFull` where too many wait, and `ModelClosed`. All else that goes wrong is told
        to `ticket.end`.
        """

    @abstractmethod
    def activity(self) -> Activity:
        """Return what the engine is doing; from any thread."""

    @abstractmethod
    def close(self) -> None:
        """End every generation with `ModelClosed`, free everything, and wait until that is done.

        Called once, from any thread.
        """


AnyEngine: TypeAlias = Engine | BlockingEngine | BatchingEngine


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis: what was looked at, what was found, and whether that is well."""

    subject: str
    found: str
    ok: bool = True


class Backend(ABC):
    """What a plugin registers: it turns a `ModelSpec` into an engine."""

    @abstractmethod
    async def load(self, spec: ModelSpec, progress: ProgressSink) -> AnyEngine:
        """Load the model, reporting progress.

        Raises `LoadError` or one of its kinds, naming what is wrong and what to do. When
        cancelled, it leaves nothing behind.
        """

    def diagnose(self) -> Iterator[Finding]:
        """Look at the engine's library, build and devices, without loading a user's model."""
        return iter(())
