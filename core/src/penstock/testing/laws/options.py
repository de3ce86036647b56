"""Law 10: what options and abilities mean that an engine says it has, and that it lacks."""

from __future__ import annotations

from penstock.errors import PenstockError, RemoteError, Unsupported
from penstock.events import Completion
from penstock.model import Model
from penstock.request import ENGINE_OPTIONS, CallOptions
from penstock.testing.laws.law import LawBroken, require
from penstock.testing.subject import Subject

__all__ = ["check_options"]

SEEDS = range(1, 6)


async def check_options(subject: Subject) -> None:
    """A seed reproduces; what an engine says it can, it can; the rest is refused, or told of."""
    async with subject.load() as model:
        honoured = model.info.capabilities.options
        unknown = sorted(honoured - ENGINE_OPTIONS)
        require(not unknown, f"no engine honours {unknown}; it may {sorted(ENGINE_OPTIONS)}")
        if {"seed", "temperature"} <= honoured:
            await _check_seeds(subject, model)
        for name in sorted(ENGINE_OPTIONS - honoured):
            await _check_refused(subject, model, name)
        if model.info.capabilities.embed:
            await _embedded(subject, model)


async def _check_seeds(subject: Subject, model: Model) -> None:
    first = await _sampled(subject, model, SEEDS[0])
    again = await _sampled(subject, model, SEEDS[0])
    require(first.text == again.text, f"one seed gave {first.text!r} and {again.text!r}")
    require(first.effective.seed == SEEDS[0], f"the seed is told as {first.effective.seed!r}")
    texts = {(await _sampled(subject, model, seed)).text for seed in SEEDS}
    require(len(texts) > 1, f"{len(SEEDS)} seeds all gave {first.text!r}")


async def _sampled(subject: Subject, model: Model, seed: int) -> Completion:
    return await model.complete(
        subject.prompt, temperature=subject.chance, seed=seed, max_tokens=24
    )


async def _embedded(subject: Subject, model: Model) -> None:
    texts = [subject.prompt, "else", subject.prompt]
    try:
        vectors = (await model.embed(texts)).vectors
    except RemoteError:
        return  # a server that was told not to, whatever others of its kind do
    except PenstockError as error:
        raise LawBroken(f"it says that it can embed: {error!r}") from error
    lengths = [len(vector) for vector in vectors]
    right = len(lengths) == len(texts) and len({*lengths}) == 1 and lengths[0] > 0
    require(right, f"{len(texts)} texts got vectors of these lengths: {lengths}")
    require(vectors[0] != vectors[1], "different texts got the same vector")


_VALUES: CallOptions = {
    "temperature": 0.5,
    "top_k": 5,
    "top_p": 0.5,
    "min_p": 0.1,
    "repeat_penalty": 1.1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "seed": 1,
    "ignore_eos": True,
    "typical_p": 0.9,
    "top_n_sigma": 2.0,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.2,
    "dynatemp_range": 0.3,
    "dynatemp_exponent": 1.5,
    "mirostat": 2,
    "mirostat_tau": 4.0,
    "mirostat_eta": 0.2,
    "repeat_last_n": 32,
    "dry_multiplier": 0.8,
    "dry_base": 1.5,
    "dry_allowed_length": 3,
    "dry_penalty_last_n": 32,
    "dry_sequence_breakers": ("\n",),
    "logit_bias": {1: 0.5},
    "logprobs": 2,
    "schema": {"type": "integer"},
    "regex": "[0-9]+",
    "choices": ("yes", "no"),
    "grammar": 'start: "yes" | "no"',
    "tools": ({"name": "look"},),
    "tool_choice": "auto",
}


async def _check_refused(subject: Subject, model: Model, name: str) -> None:
    options: CallOptions = {name: _VALUES[name]}  # type: ignore[misc]  # the name of an option
    try:
        model.complete(subject.prompt, unsupported="error", **options).leave()
    except Unsupported:
        pass
    else:
        raise LawBroken(f"{name} is not honoured, and nobody said so")
    options["max_tokens"] = 2
    done = await model.complete(subject.prompt, unsupported="drop", **options)
    require(any(name in warning for warning in done.warnings), f"{name} was dropped in silence")
