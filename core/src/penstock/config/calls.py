"""Calls: the sampling options and deadlines that a configuration gives to every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.config.durations import seconds
from penstock.config.merging import Settings, below
from penstock.errors import UsageError
from penstock.request import Deadlines, Sampling

__all__ = ["deadlines_of", "sampled", "sampling_of"]


def sampling_of(settings: Settings) -> Sampling:
    """Return the sampling options among the settings of a model.

    Raises `UsageError` for options that exclude each other.
    """
    return sampled({key[0]: one.value for key, one in below(settings, ("sampling",)).items()})


def deadlines_of(settings: Settings) -> Deadlines:
    """Return the deadlines among the settings of a model."""
    asked = below(settings, ("deadlines",))
    return Deadlines(**{key[0]: seconds(one.value) for key, one in asked.items()})


def sampled(values: Mapping[str, Any]) -> Sampling:
    """Return sampling options as TOML has them. Raises `UsageError` for those out of range."""
    read: dict[str, Any] = dict(values)
    biases = read.get("logit_bias")
    if isinstance(biases, Mapping):  # the keys of a table are texts
        read["logit_bias"] = {_token(key): bias for key, bias in biases.items()}
    schema = read.get("schema")
    if not isinstance(schema, str | Mapping | None):  # a type can be named in a program alone
        hint = "It must be a table, or the text of a JSON object"
        raise UsageError(f"schema is {schema!r}", hint=hint)
    return Sampling(**read)


def _token(key: object) -> object:
    text = str(key)
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 12 else key
