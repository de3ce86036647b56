"""What kind of server this is, which models it has, and how long their context is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.errors import GenerationError, LoadError, ModelNotFound, RemoteError

from penstock_openai.connection import Connection
from penstock_openai.flavors import FLAVORS, Flavor
from penstock_openai.options import LoadOptions

__all__ = ["Found", "ListedModel", "listed", "probe"]

_log = logging.getLogger(__name__)

_OWNERS: Mapping[str, str] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama-server",
    "me": "llama-cpp-python",
    "library": "ollama",
    "organization_owner": "lmstudio",
}
"""Whom servers name as the owner of a model."""

_HOSTS: Mapping[str, str] = {"api.openai.com": "openai", "openrouter.ai": "openrouter"}
_QUIET = frozenset({403, 404, 405, 501})
"""Statuses of servers that speak the dialect and do not list their models."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that a server has: its id, whom it names as the owner, its context length if told."""

    id: str
    owner: str = ""
    context_length: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A model on a server: its id, the flavor, the context length if told, and how it was found."""

    model: str
    flavor: Flavor
    context_length: int | None
    how: str


async def probe(connection: Connection, options: LoadOptions, model: str) -> Found:
    """Ask the server what it is, with one request, and llama-server with another.

    Raises `LoadError` where it cannot be reached or refuses the key, and `ModelNotFound` where no
    model is named and it has not exactly one.
    """
    rows, headers = await _listed(connection, options)
    flavor, how = _flavor(options, rows, headers)
    entry = _entry(rows, model)
    if not model:
        model = str(entry["id"])
    elif not entry and rows:
        _log.warning("%s does not list a model %r", options.url, model)
    context_length = options.context_length or _context_length(entry)
    found = Found(model, flavor, context_length, how)
    if flavor.name == "llama-server" and options.context_length is None:
        return replace(found, context_length=await _slot_length(connection, options))
    return found


async def listed(connection: Connection, options: LoadOptions) -> tuple[ListedModel, ...]:
    """Return the models that a server lists, none if it does not. Raises `LoadError`."""
    rows, _ = await _listed(connection, options)
    return tuple(
        ListedModel(str(row["id"]), str(row.get("owned_by") or ""), _context_length(row))
        for row in rows
    )


async def _listed(
    connection: Connection, options: LoadOptions
) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, str]]:
    try:
        told, headers = await connection.ask("GET", "/models")
    except RemoteError as error:
        if error.status in _QUIET:
            return (), {}
        raise _unable(error, options) from error
    except GenerationError as error:
        raise _unable(error, options) from error
    rows = told.get("data") if isinstance(told, Mapping) else told
    if not isinstance(rows, list):
        return (), headers
    return [row for row in rows if isinstance(row, Mapping) and "id" in row], headers


def _unable(error: GenerationError, options: LoadOptions) -> LoadError:
    hint = error.hint or "Set the option 'flavor' to load without asking the server"
    return LoadError(f"{options.url}: {error.message}", hint=hint)


def _flavor(
    options: LoadOptions, rows: Sequence[Mapping[str, Any]], headers: Mapping[str, str]
) -> tuple[Flavor, str]:
    if options.host in _HOSTS:
        return FLAVORS[_HOSTS[options.host]], f"by its host {options.host!r}"
    if "llama.cpp" in headers.get("server", ""):
        return FLAVORS["llama-server"], "by the name it gives itself"
    if any(name.startswith("x-litellm") for name in headers):
        return FLAVORS["litellm"], "by its headers"
    for row in rows:
        owner = str(row.get("owned_by"))
        if owner in _OWNERS:
            return FLAVORS[_OWNERS[owner]], f"by the owner {owner!r} of its models"
    return FLAVORS["standard"], "since nothing in its list of models tells"


def _entry(rows: Sequence[Mapping[str, Any]], model: str) -> Mapping[str, Any]:
    if model:
        return next((row for row in rows if row["id"] == model), {})
    if len(rows) == 1:
        return rows[0]
    names = ", ".join(repr(row["id"]) for row in rows[:20])
    raise ModelNotFound(
        "no model is named, and the server has " + (f"{len(rows)}" if rows else "no list"),
        hint=f"Name one, as 'openai:model-id'; it has {names}" if rows else "Name one",
    )


def _context_length(entry: Mapping[str, Any]) -> int | None:
    """Read what vLLM, SGLang, LM Studio, OpenRouter and others tell with a model."""
    for name in ("max_model_len", "loaded_context_length", "context_length", "context_window"):
        value = entry.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None


async def _slot_length(connection: Connection, options: LoadOptions) -> int | None:
    """Return the tokens of one slot: llama-server divides its context among them."""
    try:
        told, _ = await connection.ask("GET", options.root + "/props")
        value = told["default_generation_settings"]["n_ctx"]
    except (GenerationError, KeyError, TypeError):
        return None
    return value if isinstance(value, int) and value > 0 else None
