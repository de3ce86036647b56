"""Penstock: one protocol over every LLM engine.

```python
async with penstock.load("pocket:") as model:
    async for delta in model.complete("Once upon a time"):
        print(delta.text, end="")
```
"""

from penstock import sync
from penstock.backend import (
    Activity,
    Backend,
    BlockingEngine,
    CancelFlag,
    Capabilities,
    Engine,
    Finding,
    LoadProgress,
    ModelInfo,
    ModelSpec,
    ProgressSink,
)
from penstock.chat import Chat
from penstock.errors import *
from penstock.errors import __all__ as _errors
from penstock.events import Completion, Delta, Finish, Prefill, Timings, Token, Usage
from penstock.hookspecs import BackendDeclaration, SourceDeclaration, hookimpl
from penstock.loading import load
from penstock.messages import Message, Segment
from penstock.model import Model
from penstock.registry import Registry
from penstock.request import Deadlines, Request, Sampling
from penstock.streams import Generation, Progress, Stage, Stream

__version__ = "0.1.0"

__all__ = [
    *_errors,
    "Activity",
    "Backend",
    "BackendDeclaration",
    "BlockingEngine",
    "CancelFlag",
    "Capabilities",
    "Chat",
    "Completion",
    "Deadlines",
    "Delta",
    "Engine",
    "Finding",
    "Finish",
    "Generation",
    "LoadProgress",
    "Message",
    "Model",
    "ModelInfo",
    "ModelSpec",
    "Prefill",
    "Progress",
    "ProgressSink",
    "Registry",
    "Request",
    "Sampling",
    "Segment",
    "SourceDeclaration",
    "Stage",
    "Stream",
    "Timings",
    "Token",
    "Usage",
    "hookimpl",
    "load",
    "sync",
]
