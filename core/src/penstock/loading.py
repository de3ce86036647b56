"""load(): from a target to a model, with progress, a deadline and cancellation."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import anyio

from penstock.backend import AnyEngine, LoadProgress, ModelSpec, OptionValue
from penstock.errors import BackendBug, DeadlineExceeded, LoadError, PenstockError, UsageError
from penstock.model import Model
from penstock.registry import Registry
from penstock.request import Deadlines, Policy, Sampling
from penstock.streams.pumps import pump_for

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["Loading", "load"]


def load(
    target: str | None = None,
    *,
    device: str = "auto",
    options: Mapping[str, OptionValue] | None = None,
    sampling: Sampling | None = None,
    deadlines: Deadlines | None = None,
    unsupported: Policy = "error",
    on_progress: Callable[[LoadProgress], object] | None = None,
    registry: Registry | None = None,
) -> Loading:
    """Load a model: `async with penstock.load("/models/story.gguf") as model: …`.

    target       `[backend:]source`: a path, or a source with a scheme of its own; None is the
                 default of the installed plugins
    device       where the engine runs; `auto` lets the backend choose
    options      the backend's own options
    sampling     options for every call that leaves them open
    deadlines    for loading, and for every call that leaves them open
    unsupported  what to do with an option the engine does not honour
    on_progress  called with `LoadProgress`, from any thread
    registry     the plugins to use; by default, all that are installed

    Entering raises `LoadError` or one of its kinds, `UnknownBackend`, `UnknownSource` or
    `DeadlineExceeded`. Leaving ends all generations and frees the engine.
    """
    spec = ModelSpec(source=target or "", device=device, options=dict(options or {}))
    return Loading(
        _Loader(spec, on_progress, registry).engine,
        sampling=sampling,
        deadlines=deadlines,
        unsupported=unsupported,
    )


class Loading:
    """A model about to be loaded; enter it with `async with`.

    `make` loads the engine; whatever it is given from, the model behaves alike.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[AnyEngine]],
        *,
        sampling: Sampling | None = None,
        deadlines: Deadlines | None = None,
        unsupported: Policy = "error",
    ) -> None:
        self._make = make
        self._sampling = sampling or Sampling()
        self._deadlines = deadlines or Deadlines()
        self._unsupported = unsupported
        self._model: Model | None = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Model:
        if self._model is not None:
            raise UsageError("this load() was entered already", hint="Call load() again")
        engine = await self._in_time()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._model = Model(
            engine,
            pump_for(engine, self._tasks),
            sampling=self._sampling,
            deadlines=self._deadlines,
            unsupported=self._unsupported,
            loop_thread=threading.get_ident(),
        )
        return self._model

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._model is None or self._tasks is None:
            return
        try:
            await self._model.aclose()
        finally:
            # The tasks have ended. The caller's error goes its own way: through the task group
            # it would come out wrapped in an exception group.
            await self._tasks.__aexit__(None, None, None)

    async def _in_time(self) -> AnyEngine:
        seconds = self._deadlines.load
        if seconds is None:
            return await self._make()
        with anyio.move_on_after(seconds):
            return await self._make()
        raise DeadlineExceeded("load", seconds, hint="Allow more time, or load a smaller model")


class _Loader:
    """The way from a spec to an engine."""

    def __init__(
        self,
        spec: ModelSpec,
        on_progress: Callable[[LoadProgress], object] | None,
        registry: Registry | None,
    ) -> None:
        self._spec = spec
        self._on_progress = on_progress
        self._registry = registry

    async def engine(self) -> AnyEngine:
        self._tell(LoadProgress("resolving", 0.0))
        registry = self._registry
        if registry is None:
            registry = await anyio.to_thread.run_sync(Registry.installed)
        target = registry.parse(self._spec.source or registry.default_target())
        path = await anyio.to_thread.run_sync(registry.resolve, target)
        name = target.backend or registry.backend_for(Path() if path is None else path)
        spec = replace(self._spec, source=target.source, path=path)
        engine = await self._load(registry, name, spec)
        self._tell(LoadProgress("ready", 1.0))
        return engine

    async def _load(self, registry: Registry, name: str, spec: ModelSpec) -> AnyEngine:
        backend = registry.backend(name)
        try:
            engine = await backend.load(spec, self._tell)
        except PenstockError:
            raise
        except Exception as error:
            raise LoadError(
                f"backend {name!r} could not load {spec.source!r}: {error!r}",
                hint="`penstock doctor` looks at the backends",
            ) from error
        if not isinstance(engine, AnyEngine):
            raise BackendBug(f"backend {name!r} loaded {engine!r}", hint="load() returns an engine")
        if not engine.info.backend:
            engine.info = replace(engine.info, backend=name)
        return engine

    def _tell(self, progress: LoadProgress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)
