"""Every error Penstock raises, in one tree.

```
PenstockError
├── UsageError              a call that cannot be right, whatever the model
├── ConfigError             what files, variables and flags say cannot be right
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
    ├── IncompleteAnswer    an answer of a given form was cut short
    ├── InvalidAnswer       an answer of a given form came to its end, and is not of that form
    ├── EngineError         the engine failed while it generated
    │   └── RemoteError     a server, or the way to it, failed
    │       ├── AccessDenied       it does not let this key, or anybody, do that
    │       ├── RequestRefused     it cannot do what it was asked for
    │       ├── RateLimited        it was asked too often
    │       ├── ServerFailed       it says that it failed, or is busy
    │       ├── ConnectionFailed   it cannot be reached, or is no more
    │       ├── MalformedAnswer    it answered with what nobody can read
    │       └── IncompleteStream   its answer stopped without an end
    └── BackendBug          a plugin broke the protocol
```

Errors raised by a generation carry `partial`: the `Completion` with what was produced so far.
`retryable` and `retry_after` say whether and when the same call may succeed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.events import Completion, FinishReason
    from penstock.problem import Problem

__all__ = [
    "AccessDenied",
    "BackendBug",
    "ConfigError",
    "ConnectionFailed",
    "ContextOverflow",
    "DeadlineExceeded",
    "EngineError",
    "GenerationError",
    "IncompleteAnswer",
    "IncompleteStream",
    "InvalidAnswer",
    "InvalidModel",
    "LoadError",
    "MalformedAnswer",
    "ModelClosed",
    "ModelNotFound",
    "PenstockError",
    "PluginError",
    "QueueFull",
    "RateLimited",
    "RemoteError",
    "RequestRefused",
    "ServerFailed",
    "StreamClosed",
    "UnknownBackend",
    "UnknownSource",
    "Unsupported",
    "UsageError",
]


class PenstockError(Exception):
    """Base of all errors.

    `message` says what is wrong and names the value; `hint` says what to do next, and is part of
    `str(error)`. `retryable` is True where the same call may succeed later, and `retry_after` says
    in how many seconds, where that is known. `partial` is the completion so far, for errors that
    end a generation, else None.
    """

    retryable: bool = False
    retry_after: float | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}. {hint}")
        self.message = message
        self.hint = hint
        self.partial: Completion | None = None


class UsageError(PenstockError):
    """A call that cannot be right: a wrong type, an impossible value, a forgotten `await`."""


class ConfigError(PenstockError):
    """The configuration cannot be right. `problems` are all that is wrong, each with its place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        if len(lines) > 1:
            lines = [f"{len(lines)} problems in the configuration", *lines]
        super().__init__("\n  ".join(lines))


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
    """Prompt and answer need more tokens than the context holds. Raised before any work.

    Both figures are None where a server does not tell them.
    """

    def __init__(
        self,
        prompt_tokens: int | None = None,
        context_length: int | None = None,
        *,
        message: str | None = None,
    ) -> None:
        super().__init__(
            message
            or f"the prompt has {prompt_tokens} tokens and the context holds {context_length}",
            hint="Shorten the prompt, or load the model with a longer context",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length


class IncompleteAnswer(GenerationError):
    """An answer bound by `schema`, `regex`, `choices` or `grammar` was cut before it was whole.

    `reason` is what cut it, most often `length`; the text so far is in `partial`.
    """

    def __init__(self, message: str, *, reason: FinishReason, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class InvalidAnswer(GenerationError):
    """An answer came to its end and is not what `schema` or `choices` asked for.

    `__cause__` says why, such as pydantic's `ValidationError`; the text is in `partial`.
    """


class EngineError(GenerationError):
    """The engine failed while it generated; `__cause__` is the original error."""


class RemoteError(EngineError):
    """A server failed, or the way to it.

    status      the status of its answer, such as 503; None if there was none
    code        its own word for what is wrong, if it has one
    param       what in the request it is about, if it says
    request_id  by which its owner can find the request, if it says
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after


class AccessDenied(RemoteError):
    """The server wants another key, or this key may not do that (401, 403)."""


class RequestRefused(RemoteError):
    """The server cannot do what it was asked for: no such model, a wrong option, too much."""


class RateLimited(RemoteError):
    """The server was asked too often, or a quota is used up (429).

    `retryable` is False where only a payment helps.
    """

    retryable = True


class ServerFailed(RemoteError):
    """The server says that it failed, is busy, or waited too long (408, 409, 5xx)."""

    retryable = True


class ConnectionFailed(RemoteError):
    """The server cannot be reached, does not answer, or broke the connection."""

    retryable = True


class MalformedAnswer(RemoteError):
    """The server answered with what cannot be read: a web page, broken JSON, no answer in it."""


class IncompleteStream(RemoteError):
    """The server's answer stopped without saying that this was its end."""

    retryable = True


class BackendBug(GenerationError):
    """A plugin broke the protocol: a wrong signature, event or description, or it cannot close."""
