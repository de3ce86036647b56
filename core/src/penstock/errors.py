"""Every error Penstock raises, in one tree.

```
PenstockError
├── UsageError              a call that cannot be right, whatever the model
├── PluginError             discovery: a plugin is unknown, broken or ambiguous
│   ├── UnknownBackend
│   └── UnknownSource
├── LoadError               a model could not be loaded
│   ├── ModelNotFound       the source names nothing that exists
│   └── InvalidModel        it exists, and the engine cannot use it
├── ModelClosed             the model was closed, or never entered
├── StreamClosed            the stream was left, or is being read elsewhere
├── QueueFull               too many requests wait already
├── Unsupported             the engine lacks an ability or an option
├── DeadlineExceeded        one of the five deadlines passed
└── GenerationError         a generation ended before it was complete
    ├── ContextOverflow     prompt (and answer) do not fit the context length
    ├── EngineError         the engine failed while it generated
    └── BackendBug          a plugin broke the protocol
```

Errors raised by a generation carry `partial`: the `Completion` with what was produced so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.events import Completion

__all__ = [
    "BackendBug",
    "ContextOverflow",
    "DeadlineExceeded",
    "EngineError",
    "GenerationError",
    "InvalidModel",
    "LoadError",
    "ModelClosed",
    "ModelNotFound",
    "PenstockError",
    "PluginError",
    "QueueFull",
    "StreamClosed",
    "UnknownBackend",
    "UnknownSource",
    "Unsupported",
    "UsageError",
]


class PenstockError(Exception):
    """Base of all errors.

    `message` says what is wrong and names the value; `hint` says what to do next, and is part of
    `str(error)`. `retryable` is True where the same call may succeed later. `partial` is the
    completion so far, for errors that end a generation, else None.
    """

    retryable: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}. {hint}")
        self.message = message
        self.hint = hint
        self.partial: Completion | None = None


class UsageError(PenstockError):
    """A call that cannot be right: a wrong type, an impossible value, a forgotten `await`."""


class PluginError(PenstockError):
    """Plugins could not be found, imported or told apart."""


class UnknownBackend(PluginError):
    """No installed plugin offers a backend of that name."""


class UnknownSource(PluginError):
    """No installed plugin offers a source of that scheme."""


class LoadError(PenstockError):
    """A model could not be loaded."""


class ModelNotFound(LoadError):
    """The source names no model that exists."""


class InvalidModel(LoadError):
    """There is a model, and the engine cannot use it: damaged, of another format, too new."""


class ModelClosed(PenstockError):
    """The model is closed, or was never entered with `async with`."""


class QueueFull(PenstockError):
    """Too many requests wait for the engine already. Raised before any work."""

    retryable = True


class StreamClosed(PenstockError):
    """The stream was left before its end, or another loop is reading it."""


class Unsupported(PenstockError):
    """The engine lacks this ability, or does not honour this option."""


class DeadlineExceeded(PenstockError):
    """A deadline passed. `deadline` is its name, `seconds` its length."""

    retryable = True

    def __init__(self, deadline: str, seconds: float, *, hint: str | None = None) -> None:
        super().__init__(f"the {deadline!r} deadline of {seconds:g} s passed", hint=hint)
        self.deadline = deadline
        self.seconds = seconds


class GenerationError(PenstockError):
    """A generation ended before it was complete; the model stays usable."""


class ContextOverflow(GenerationError):
    """Prompt and answer need more tokens than the context holds. Raised before any work."""

    def __init__(self, prompt_tokens: int, context_length: int) -> None:
        super().__init__(
            f"the prompt has {prompt_tokens} tokens and the context holds {context_length}",
            hint="Shorten the prompt, or load the model with a longer context",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length


class EngineError(GenerationError):
    """The engine failed while it generated; `__cause__` is the original error."""


class BackendBug(GenerationError):
    """A plugin broke the protocol: it yielded a wrong type or raised an error not of this tree."""
