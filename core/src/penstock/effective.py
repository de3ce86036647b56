"""Effective options: those of a call must exist, be honoured by the engine, and have a seed."""

from __future__ import annotations

import inspect
import os
import warnings

from penstock.backend import ModelInfo
from penstock.errors import Unsupported, UsageError
from penstock.nearest import did_you_mean
from penstock.request import (
    CONSTRAINTS,
    ENGINE_OPTIONS,
    MAX_SEED,
    CallOptions,
    Policy,
    Sampling,
    assert_policy,
)

__all__ = ["honoured", "known", "seeded"]


def known(options: CallOptions) -> CallOptions:
    """Return `options`. Raises `UsageError` for one that does not exist, with the nearest.

    Python would say that there is one too many, but not what was meant.
    """
    names = CallOptions.__annotations__
    for name in options:
        if name not in names:
            hint = did_you_mean(name, names, f"Options are {', '.join(names)}")
            raise UsageError(f"unknown option {name!r}", hint=hint)
    return options


def honoured(
    wanted: Sampling, policy: Policy, info: ModelInfo, besides: frozenset[str]
) -> tuple[Sampling, tuple[str, ...]]:
    """Return the options that are honoured, and a text for each that is not.

    The engine honours what `info` says, and somebody else those in `besides`. Raises `Unsupported`
    where the policy is `error`, and `UsageError` for a policy that there is not.
    """
    assert_policy(policy)
    able = info.capabilities.options
    refused = (ENGINE_OPTIONS & set(wanted.chosen())) - able - besides
    if not refused:
        return wanted, ()
    texts = tuple(
        f"{info.backend or info.name} does not honour {name}={value!r}"
        for name, value in sorted(wanted.chosen().items())
        if name in refused
    )
    if policy == "error":
        raise Unsupported("; ".join(texts), hint=_instead(able, refused))
    if policy == "warn":
        warnings.warn("; ".join(texts), UserWarning, stacklevel=_caller())
    return wanted.without(frozenset(refused)), texts


def seeded(sampling: Sampling, info: ModelInfo) -> Sampling:
    """Draw the seed that was left open, so that what was really used can be told."""
    able = info.capabilities
    if sampling.seed is not None or "seed" not in able.options or not able.seeds:
        return sampling
    if sampling.temperature == 0:
        return sampling
    return Sampling(seed=int.from_bytes(os.urandom(4), "big") % MAX_SEED).over(sampling)


def _caller() -> int:
    """Return the frames from `honoured` up to who called Penstock, by whichever of its faces."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "penstock":
        level, frame = level + 1, frame.f_back
    return level


def _instead(able: frozenset[str], refused: frozenset[str]) -> str:
    hint = "Leave it out, or set unsupported to 'warn' or 'drop'"
    bindings = sorted(able & set(CONSTRAINTS))
    if bindings and refused & set(CONSTRAINTS):
        hint += f". It can bind an answer by {', '.join(bindings)}"
    return hint
