"""The backend: from a model's id and options to an engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from anyio import to_thread
from penstock.backend import (
    Backend,
    Capabilities,
    Finding,
    LoadProgress,
    ModelInfo,
    ModelSpec,
    OptionValue,
    ProgressSink,
)
from penstock.errors import ModelNotFound, UsageError
from penstock.nearest import did_you_mean

from penstock_openai.flavors import FLAVORS, Flavor
from penstock_openai.options import LoadOptions

if TYPE_CHECKING:
    from penstock_openai.connection import Connection
    from penstock_openai.engine import RemoteEngine
    from penstock_openai.probing import Found, ListedModel

__all__ = ["OpenAI"]

_log = logging.getLogger(__name__)


class OpenAI(Backend):
    """Loads nothing: it finds out what a server is, and speaks to it."""

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> RemoteEngine:
        """Return the engine for a model's id; without one, for the only model of the server.

        Raises `UsageError` for options that cannot be, `LoadError` where the server cannot be
        reached or refuses the key, and `ModelNotFound` where no model is named.
        """
        options = LoadOptions.of(spec.options)
        _refuse_device(spec)
        flavor = None if options.flavor == "auto" else _named(options.flavor)
        progress(LoadProgress("connecting", 0.0))
        return await _connected(spec.source, flavor, options)

    async def models(self, options: Mapping[str, OptionValue]) -> tuple[ListedModel, ...]:
        """Return the models of the server that these options lead to, none if it lists none.

        Raises as `load` does.
        """
        read = LoadOptions.of(options)
        connection = await _connection(read)
        from penstock_openai.probing import listed

        try:
            return await listed(connection, read)
        finally:
            await connection.aclose()

    def diagnose(self) -> Iterator[Finding]:
        """Tell the versions of the client and its transports, and what the environment says."""
        for name in ("openai", "httpx2", "aiohttp"):
            try:
                yield Finding(name, version(name))
            except PackageNotFoundError:
                yield Finding(name, "not installed", ok=name == "aiohttp")
        options = LoadOptions.of({})
        key = "a key" if options.api_key else "no key"
        yield Finding("server of the environment", f"{options.url}, {key}")


async def _connection(options: LoadOptions) -> Connection:
    """Return a connection, made where that holds nobody up: it takes half a second at first."""
    make = partial(_made, options, on_asyncio=_is_asyncio())
    return await to_thread.run_sync(make)


def _made(options: LoadOptions, *, on_asyncio: bool) -> Connection:
    from penstock_openai.connection import Connection

    return Connection(options, on_asyncio=on_asyncio)


async def _connected(model: str, flavor: Flavor | None, options: LoadOptions) -> RemoteEngine:
    connection = await _connection(options)
    from penstock_openai.engine import RemoteEngine

    try:
        found = await _found(connection, model, flavor, options)
        _refuse_knobs(options, found.flavor)
    except BaseException:
        await connection.aclose()
        raise
    _log.info("%s: flavor %r, %s", options.url, found.flavor.name, found.how)
    return RemoteEngine(_info(found, options), connection, found.flavor, options)


async def _found(
    connection: Connection, model: str, flavor: Flavor | None, options: LoadOptions
) -> Found:
    from penstock_openai.probing import Found, probe

    if flavor is None:
        return await probe(connection, options, model)
    if not model:
        raise ModelNotFound("no model is named", hint="Name one, as 'openai:model-id'")
    return Found(model, flavor, options.context_length, "as the option 'flavor' says")


def _info(found: Found, options: LoadOptions) -> ModelInfo:
    flavor = found.flavor
    return ModelInfo(
        name=found.model,
        context_length=found.context_length,
        device=f"server {options.host}",
        capabilities=Capabilities(
            options=flavor.options,
            messages=True,
            tokenize=flavor.tokens is not None,
            embed=True,
            limits=True,
            seeds=flavor.seeds,
            parallel=options.parallel,
        ),
        details={"flavor": flavor.name, "found": found.how, "url": options.url},
    )


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _named(name: str) -> Flavor:
    if name in FLAVORS:
        return FLAVORS[name]
    hint = did_you_mean(name, FLAVORS, f"There are auto, {', '.join(FLAVORS)}")
    raise UsageError(f"openai has no flavor {name!r}", hint=hint)


def _refuse_device(spec: ModelSpec) -> None:
    if spec.device != "auto":
        raise UsageError(
            f"the device is {spec.device!r}", hint="A server chooses its own: leave it out"
        )


def _refuse_knobs(options: LoadOptions, flavor: Flavor) -> None:
    """Refuse what this kind of server would ignore in silence."""
    knobs = ("cache_prompt", "id_slot", "return_progress", "chat_template_kwargs")
    for name in knobs:
        if getattr(options, name) is not None and name not in flavor.knobs:
            able = ", ".join(f.name for f in FLAVORS.values() if name in f.knobs)
            raise UsageError(
                f"a server of the flavor {flavor.name!r} does not know {name!r}",
                hint=f"These do: {able}",
            )
    if options.reasoning_effort is not None and not flavor.thinks:
        raise UsageError(
            f"a server of the flavor {flavor.name!r} does not know 'reasoning_effort'",
            hint="Set the option 'flavor' if it is of another kind",
        )
