"""Penstock: one protocol over every LLM engine.

```python
async with penstock.load("story.gguf") as model:
    async for delta in model.complete("Once upon a time"):
        print(delta.text, end="")
```
"""

import importlib
import typing

from penstock.backend import (
    Activity,
    Backend,
    BatchingEngine,
    BlockingEngine,
    CancelFlag,
    Capabilities,
    Engine,
    Finding,
    LoadProgress,
    ModelInfo,
    ModelSpec,
    ProgressSink,
    Ticket,
)
from penstock.chat import Chat, KeptState
from penstock.constraint import Constraint
from penstock.declarations import (
    BackendDeclaration,
    PresetDeclaration,
    SourceDeclaration,
)
from penstock.errors import (
    AccessDenied,
    BackendBug,
    ConfigError,
    ConnectionFailed,
    ContextOverflow,
    DeadlineExceeded,
    EngineError,
    GenerationError,
    IncompleteAnswer,
    IncompleteStream,
    InvalidAnswer,
    InvalidModel,
    LoadError,
    MalformedAnswer,
    ModelClosed,
    ModelNotFound,
    PenstockError,
    PluginError,
    QueueFull,
    RateLimited,
    RemoteError,
    RequestRefused,
    ServerFailed,
    StreamClosed,
    UnknownBackend,
    UnknownSource,
    Unsupported,
    UsageError,
)
from penstock.events import (
    Aside,
    Completion,
    ContextReport,
    Delta,
    Embeddings,
    EngineEvent,
    Finish,
    Logprob,
    Prefill,
    Report,
    Retry,
    Timings,
    Token,
    Usage,
)
from penstock.loading import load
from penstock.messages import Message, Segment
from penstock.model import Model
from penstock.problem import Problem
from penstock.registry import Registry
from penstock.request import Deadlines, Request, Sampling
from penstock.secret import Secret
from penstock.sources import SourceContext, StoredModel
from penstock.streams import Generation, Progress, Stage, Stream
from penstock.tasks import Task
from penstock.tools import Tool, ToolCall, ToolCallPart

if typing.TYPE_CHECKING:
    from penstock import sync
    from penstock.hookspecs import hookimpl

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "Activity",
    "Aside",
    "Backend",
    "BackendBug",
    "BackendDeclaration",
    "BatchingEngine",
    "BlockingEngine",
    "CancelFlag",
    "Capabilities",
    "Chat",
    "Completion",
    "ConfigError",
    "ConnectionFailed",
    "Constraint",
    "ContextOverflow",
    "ContextReport",
    "DeadlineExceeded",
    "Deadlines",
    "Delta",
    "Embeddings",
    "Engine",
    "EngineError",
    "EngineEvent",
    "Finding",
    "Finish",
    "Generation",
    "GenerationError",
    "IncompleteAnswer",
    "IncompleteStream",
    "InvalidAnswer",
    "InvalidModel",
    "KeptState",
    "LoadError",
    "LoadProgress",
    "Logprob",
    "MalformedAnswer",
    "Message",
    "Model",
    "ModelClosed",
    "ModelInfo",
    "ModelNotFound",
    "ModelSpec",
    "PenstockError",
    "PluginError",
    "Prefill",
    "PresetDeclaration",
    "Problem",
    "Progress",
    "ProgressSink",
    "QueueFull",
    "RateLimited",
    "Registry",
    "RemoteError",
    "Report",
    "Request",
    "RequestRefused",
    "Retry",
    "Sampling",
    "Secret",
    "Segment",
    "ServerFailed",
    "SourceContext",
    "SourceDeclaration",
    "Stage",
    "StoredModel",
    "Stream",
    "StreamClosed",
    "Task",
    "Ticket",
    "Timings",
    "Token",
    "Tool",
    "ToolCall",
    "ToolCallPart",
    "UnknownBackend",
    "UnknownSource",
    "Unsupported",
    "Usage",
    "UsageError",
    "hookimpl",
    "load",
    "sync",
]


def __getattr__(name: str) -> object:
    """Import what no program needs that has an event loop and is no plugin."""
    if name == "sync":
        return importlib.import_module("penstock.sync")
    if name == "hookimpl":
        return importlib.import_module("penstock.hookspecs").hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
