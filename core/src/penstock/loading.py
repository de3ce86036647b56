"""load(): from a target to a model, with progress, a deadline and cancellation."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import anyio

from penstock.backend import AnyEngine, Engine, LoadProgress, ModelSpec, OptionValue
from penstock.errors import (
    BackendBug,
    DeadlineExceeded,
    LoadError,
    PenstockError,
    Unsupported,
    UsageError,
)
from penstock.formats import template_of
from penstock.model import Model
from penstock.progress import Forward
from penstock.registry import Registry
from penstock.request import Deadlines, Policy, Sampling
from penstock.sources import SourceContext
from penstock.streams.pumps import pump_for
from penstock.watching import BesideLoad, Watch

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
    chat_template: str | None = None,
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
    chat_template  a name out of `penstock.formats.TEMPLATES`, or Jinja, in place of the model's own
    on_progress  called with `LoadProgress`, from any thread; phases and shares never go back.
                 `loading.progress()` iterates over the same
    registry     the plugins to use; by default, all that are installed

    Entering raises `LoadError` or one of its kinds, `UnknownBackend`, `UnknownSource` or
    `DeadlineExceeded`. Leaving ends all generations and frees the engine. Loading can be cancelled
    at any time; what was downloaded is kept, and the next load goes on from there.
    """
    template = None if chat_template is None else template_of(chat_template)
    spec = ModelSpec(source=target or "", device=device, options=dict(options or {}))
    forward = Forward() if on_progress is None else Forward(on_progress)
    return Loading(
        _Loader(spec, forward, registry, template).engine,
        sampling=sampling,
        deadlines=deadlines,
        unsupported=unsupported,
        forward=forward,
    )


class Loading:
    """A model about to be loaded; enter it with `async with`.

    `make` loads the engine; whatever it is given from, the model behaves alike. `forward` is where
    it tells its progress.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[AnyEngine]],
        *,
        sampling: Sampling | None = None,
        deadlines: Deadlines | None = None,
        unsupported: Policy = "error",
        forward: Forward | None = None,
    ) -> None:
        self._make = make
        self._forward = forward or Forward()
        self._beside: BesideLoad | None = None
        self._sampling = sampling or Sampling()
        self._deadlines = deadlines or Deadlines()
        self._unsupported = unsupported
        self._model: Model | None = None
        self._tasks: TaskGroup | None = None

    def progress(self) -> Watch:
        """Load, and iterate over the progress; then enter, which takes the loaded model.

        ```python
        loading = penstock.load("story.gguf")
        async for progress in loading.progress():
            print(progress.phase, f"{progress.fraction:.0%}")
        async with loading as model: ...
        ```

        Raises what entering would raise. The load runs from the first step on; leaving the loop
        early ends it, unless another task has entered meanwhile.
        """
        return Watch(self._begin)

    def __del__(self) -> None:
        beside = getattr(self, "_beside", None)
        if beside is not None and beside.engine is not None:
            warnings.warn(
                "a model was loaded and never entered: `async with loading as model`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    async def __aenter__(self) -> Model:
        if self._model is not None:
            raise UsageError("this load() was entered already", hint="Call load() again")
        engine = await self._watched() or await self._in_time()
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

    def _begin(self) -> BesideLoad:
        if self._model is not None or (self._beside is not None and not self._beside.over):
            raise UsageError("this load() is under way already", hint="Call load() again")
        if self._beside is not None:
            self._forward.ignore(self._beside.tell)
        self._beside = beside = BesideLoad(self._in_time)
        self._forward.listen(beside.tell)
        return beside

    async def _watched(self) -> AnyEngine | None:
        """Take the engine of a load that is watched, or was; None if there is none."""
        beside = self._beside
        if beside is None:
            return None
        if not beside.over:
            await beside.join()
            if beside.error is not None:
                raise beside.error
        engine, beside.engine = beside.engine, None
        return engine

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
        forward: Forward,
        registry: Registry | None,
        template: str | None = None,
    ) -> None:
        self._spec = spec
        self._forward = forward
        self._registry = registry
        self._template = template

    async def engine(self) -> AnyEngine:
        self._forward.restart()
        self._forward(LoadProgress("resolving", 0.0))
        registry = self._registry
        if registry is None:
            registry = await anyio.to_thread.run_sync(Registry.installed)
        name, spec = await self._located(registry)
        engine = await self._load(registry, name, spec)
        if self._template is not None:
            await self._format(engine, self._template)
        self._forward(LoadProgress("ready", 1.0))
        return engine

    async def _located(self, registry: Registry) -> tuple[str, ModelSpec]:
        """Find backend and file, on a thread; when cancelled, tell it, and wait for it no more."""
        context = SourceContext(progress=self._forward)
        try:
            return await anyio.to_thread.run_sync(
                self._locate, registry, context, abandon_on_cancel=True
            )
        finally:
            context.cancel.set()

    def _locate(self, registry: Registry, context: SourceContext) -> tuple[str, ModelSpec]:
        target = registry.parse(self._spec.source or registry.default_target())
        path = registry.resolve(target, context)
        context.assert_wanted()
        name = target.backend or registry.backend_for(Path() if path is None else path)
        return name, replace(self._spec, source=target.source, path=path)

    async def _load(self, registry: Registry, name: str, spec: ModelSpec) -> AnyEngine:
        backend = registry.backend(name)
        try:
            engine = await backend.load(spec, self._forward)
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

    async def _format(self, engine: AnyEngine, template: str) -> None:
        if not engine.info.capabilities.messages:
            engine.info = replace(engine.info, chat_template=template)
            return
        if isinstance(engine, Engine):
            await engine.aclose()
        else:
            await anyio.to_thread.run_sync(engine.close)
        raise Unsupported(
            f"{engine.info.name!r} makes prompts of messages by itself",
            hint="Leave chat_template out",
        )
