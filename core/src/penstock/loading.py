"""load(): from a target to a model, with progress, a deadline and cancellation."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from types import TracebackType
from typing import TYPE_CHECKING, cast

import anyio

from penstock.arguments import assert_kind, device_of, options_of, target_of
from penstock.backend import AnyEngine, LoadProgress, ModelInfo, ModelSpec, OptionValue
from penstock.entering import Entered
from penstock.errors import (
    BackendBug,
    DeadlineExceeded,
    LoadError,
    ModelNotFound,
    PenstockError,
    Unsupported,
    UsageError,
)
from penstock.model import Model
from penstock.progress import Forward
from penstock.registry import Registry
from penstock.request import Deadlines, Policy, Sampling, assert_policy
from penstock.sources import SourceContext
from penstock.streams.pump import begun, steers
from penstock.streams.pumps import pump_for
from penstock.values import dataclass
from penstock.watching import BesideLoad, Watch, free

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import TaskGroup

    from penstock.config.choosing import Choice, ConfigLike

__all__ = ["Loading", "load"]


def load(
    target: str | os.PathLike[str] | None = None,
    *,
    device: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    sampling: Sampling | None = None,
    deadlines: Deadlines | None = None,
    unsupported: Policy | None = None,
    chat_template: str | None = None,
    config: ConfigLike = None,
    on_progress: Callable[[LoadProgress], object] | None = None,
    registry: Registry | None = None,
) -> Loading:
    """Load a model: `async with penstock.load("/models/story.gguf") as model: …`.

    target       the name or an alias of a model of the configuration; else `[backend:]source`: a
                 path, which may be a `Path`, or a source with a scheme of its own. None is the
                 configuration's default, or that of the installed plugins
    device       where the engine runs; `auto`, the default, lets the backend choose
    options      the backend's own options
    sampling     options for every call that leaves them open
    deadlines    for loading, and for every call that leaves them open
    unsupported  what to do with an option the engine does not honour; by default it is an `error`
    chat_template  a name out of `penstock.templates.TEMPLATES`, or Jinja, instead of the model's
    config       a path, a mapping in the form of penstock.toml, a `penstock.config.Config`, or
                 False for none; None takes what is found: penstock.toml and its kin, and the
                 variables `PENSTOCK_…`. What is given here wins over what it says of the model
    on_progress  called with `LoadProgress`, from any thread; phases and shares never go back. What
                 it raises ends the load, and comes out. `loading.progress()` iterates over the same
    registry     the plugins to use; by default, all that are installed

    Entering raises `ConfigError`, `LoadError` or one of its kinds, `UnknownBackend`,
    `UnknownSource` or `DeadlineExceeded`. Leaving ends all generations and frees the engine.
    Loading can be cancelled at any time; what was downloaded is kept, and the next load goes on
    from there.
    """
    if chat_template is not None:
        from penstock.templates import template_of  # what few give

        chat_template = template_of(chat_template)
    forward = Forward() if on_progress is None else Forward(on_progress)
    asked = _Asked(
        target=target_of(target),
        device=device_of(device),
        options=options_of(options),
        chat_template=chat_template,
        config=config,
    )
    loader = _Loader(asked, forward, registry)
    return Loading(
        loader.engine,
        sampling=sampling,
        deadlines=deadlines,
        unsupported=unsupported,
        forward=forward,
        settle=loader.settle,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What calls of a model get where they leave it open; None is not set."""

    sampling: Sampling = field(default_factory=Sampling)
    deadlines: Deadlines = field(default_factory=Deadlines)
    unsupported: Policy | None = None

    def __post_init__(self) -> None:
        assert_kind("sampling", self.sampling, Sampling)
        assert_kind("deadlines", self.deadlines, Deadlines)
        if self.unsupported is not None:
            assert_policy(self.unsupported)

    def over(self, base: Defaults) -> Defaults:
        """Return these, with what is not set here taken from `base`."""
        return Defaults(
            sampling=self.sampling.over(base.sampling),
            deadlines=self.deadlines.over(base.deadlines),
            unsupported=self.unsupported or base.unsupported,
        )


class Loading(Entered):
    """A model about to be loaded; enter it with `async with`.

    `make` loads the engine; whatever it is given from, the model behaves alike. `forward` is where
    it tells its progress. `settle`, awaited before it, tells what else holds for every call.
    """

    entering = (
        "`async with penstock.load(…) as model`, "
        "or without an event loop `with penstock.sync.load(…) as model`"
    )

    def __init__(
        self,
        make: Callable[[], Awaitable[AnyEngine]],
        *,
        sampling: Sampling | None = None,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        forward: Forward | None = None,
        settle: Callable[[], Awaitable[Defaults]] | None = None,
    ) -> None:
        self._make = make
        self._settle = settle
        self._forward = forward or Forward()
        self._beside: BesideLoad | None = None
        self._given = self._defaults = Defaults(
            sampling=sampling or Sampling(),
            deadlines=deadlines or Deadlines(),
            unsupported=unsupported,
        )
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
            beside.discard()  # before the warning, which may be an error
            if not beside.left:
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
            sampling=self._defaults.sampling,
            deadlines=self._defaults.deadlines,
            unsupported=self._defaults.unsupported or "error",
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
        begun = anyio.current_time()
        if self._settle is not None:
            self._defaults = self._given.over(await self._settle())
        seconds = self._defaults.deadlines.load
        if seconds is None:
            return await self._make()
        with anyio.CancelScope(deadline=begun + seconds):
            return await self._make()
        raise DeadlineExceeded("load", seconds, hint="Allow more time, or load a smaller model")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the call of `load` says of the engine."""

    target: str | None
    device: str | None
    options: Mapping[str, OptionValue]
    chat_template: str | None
    config: ConfigLike


class _Loader:
    """The way from a call to an engine: first `settle`, then `engine`."""

    def __init__(self, asked: _Asked, forward: Forward, registry: Registry | None) -> None:
        self._asked = asked
        self._forward = forward
        self._registry = registry
        self._choice: Choice | None = None

    async def settle(self) -> Defaults:
        """Read the configuration, on a thread; return what it says for every call."""
        self._forward.restart()
        self._forward(LoadProgress("resolving", 0.0))
        self._choice = choice = await anyio.to_thread.run_sync(self._choose, abandon_on_cancel=True)
        return Defaults(
            sampling=choice.sampling, deadlines=choice.deadlines, unsupported=choice.unsupported
        )

    async def engine(self) -> AnyEngine:
        """Load the engine, and set up what the call says of it."""
        try:
            return await self._engine()
        except BaseException as error:
            failure = self._forward.failure
            if failure is None or steers(error):
                raise
            raise failure from None  # the caller's own, which those between took for theirs

    async def _engine(self) -> AnyEngine:
        choice = self._choice
        assert choice is not None
        try:
            name, spec = await self._located(choice)
            engine = await self._load(choice.registry, name, spec)
        except ModelNotFound as error:
            raise choice.placed(error) from error.__cause__
        try:
            _format(engine, self._asked.chat_template or choice.chat_template)
            self._forward(LoadProgress("ready", 1.0))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await free(engine)
            raise
        return engine

    def _choose(self) -> Choice:
        from penstock.config.choosing import choose, opened  # which bare `import penstock` need not

        registry = Registry.installed() if self._registry is None else self._registry
        return choose(opened(self._asked.config), self._asked.target, registry)

    async def _located(self, choice: Choice) -> tuple[str, ModelSpec]:
        """Find backend and file, on a thread; when cancelled, tell it, and wait for it no more."""
        context = SourceContext(progress=self._forward)
        try:
            return await anyio.to_thread.run_sync(
                self._locate, choice, context, abandon_on_cancel=True
            )
        finally:
            context.cancel.set()

    def _locate(self, choice: Choice, context: SourceContext) -> tuple[str, ModelSpec]:
        options, target = choice.options(self._asked.options), choice.target
        path = choice.registry.resolve(target, context)
        context.assert_wanted()
        # What names no backend is a file, or was refused.
        name = target.backend or choice.registry.backend_for(cast("Path", path))
        device = self._asked.device or choice.device or "auto"
        return name, ModelSpec(source=target.source, path=path, device=device, options=options)

    async def _load(self, registry: Registry, name: str, spec: ModelSpec) -> AnyEngine:
        backend = registry.backend(name)
        try:
            engine = await _awaitable(begun(backend.load, spec, self._forward))
        except PenstockError:
            raise
        except BaseException as error:
            if steers(error):
                raise
            raise LoadError(
                f"backend {name!r} could not load {spec.source!r}: {error!r}",
                hint="`penstock doctor` looks at the backends",
            ) from error
        if not isinstance(engine, AnyEngine):
            raise BackendBug(f"backend {name!r} loaded {engine!r}", hint="load() returns an engine")
        try:
            _describe(engine, name)
        except BackendBug:
            await free(engine)
            raise
        return engine


def _awaitable(loading: object) -> Awaitable[AnyEngine]:
    if isinstance(loading, Awaitable):
        return loading
    raise BackendBug(f"load() returned {loading!r}", hint="It is `async def load`")


def _describe(engine: AnyEngine, backend: str) -> None:
    """Say in an engine's info which backend loaded it."""
    problem: Exception | None = None
    try:
        if isinstance(engine.info, ModelInfo):
            engine.info = replace(engine.info, backend=engine.info.backend or backend)
            return
    except Exception as error:  # noqa: BLE001  # not there, or not to be set
        problem = error
    raise BackendBug(
        f"backend {backend!r} loaded an engine without info",
        hint="Set self.info to a ModelInfo in its __init__",
    ) from problem


def _format(engine: AnyEngine, template: str | None) -> None:
    if template is None:
        return
    if engine.info.capabilities.messages:
        raise Unsupported(
            f"{engine.info.name!r} makes prompts of messages by itself",
            hint="Leave chat_template out",
        )
    engine.info = replace(engine.info, chat_template=template)
