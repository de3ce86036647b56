"""Which of a repository's GGUF files is meant: by quantisation, with split files as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from penstock.errors import ModelNotFound
from penstock.nearest import did_you_mean

__all__ = ["PREFERRED", "choose", "label", "parts"]

PREFERRED = (
    "Q4_K_M", "Q4_K_S", "Q4_K_XL", "IQ4_NL", "IQ4_XS", "Q4_0", "MXFP4", "MXFP4_MOE", "Q5_K_M",
    "Q5_K_S", "Q5_0", "Q6_K", "Q8_0", "Q3_K_M", "Q3_K_L", "Q3_K_S", "IQ3_M", "Q2_K", "BF16", "F16",
    "F32",
)  # fmt: skip
"""What is taken where none is asked for: the first of these that is there."""

_LABEL = re.compile(
    r"(?<![A-Za-z0-9])(?:UD-)?"
    r"(I?Q\d(?:_(?:K|[01]|NL|XXS|XS|XL|S|M|L)){1,2}|TQ[12]_0|MXFP4(?:_MOE)?|BF16|F16|FP16|F32)"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
_BESIDE = re.compile(r"(^|/)(mmproj|imatrix)[^/]*$", re.IGNORECASE)
"""Files beside a model: the projector of its images, and what quantising it was based on."""


def label(name: str) -> str:
    """Return the quantisation that a file's name tells, such as `Q4_K_M`, or nothing."""
    found = _LABEL.findall(name.rpartition("/")[2]) or _LABEL.findall(name)
    return found[-1].upper().replace("FP16", "F16") if found else ""


def parts(name: str) -> list[str]:
    """Return the names of all files of the split set that `name` is one of, or itself."""
    split = _SPLIT.match(name)
    if split is None:
        return [name]
    stem, count = split["stem"], split["count"]
    return [f"{stem}-{number:05}-of-{count}.gguf" for number in range(1, int(count) + 1)]


def choose(names: Iterable[str], wanted: str | None, where: str) -> list[str]:
    """Return the files of one model: the quantisation `wanted`, or the first of `PREFERRED`.

    Raises `ModelNotFound`, with what there is, if `where` has none or several such.
    """
    models = _models(names)
    if not models:
        raise ModelNotFound(
            f"{where!r} has no GGUF file",
            hint="Look for a repository of the same name that ends in -GGUF",
        )
    if wanted is not None:
        return parts(_only(_asked(models, wanted), models, wanted, where))
    if len(models) == 1:
        return parts(models[0])
    for preferred in PREFERRED:
        if found := [name for name in models if label(name) == preferred]:
            return parts(_only(found, models, preferred, where))
    raise ModelNotFound(f"{where!r} has several models", hint=_listing(models))


def _models(names: Iterable[str]) -> list[str]:
    """Return the GGUF files that can be loaded, only the first of a split set."""
    found = []
    for name in sorted(names):
        split = _SPLIT.match(name)
        later = split is not None and int(split["number"]) != 1
        if name.lower().endswith(".gguf") and not later and not _BESIDE.search(name):
            found.append(name)
    return found


def _asked(models: Sequence[str], wanted: str) -> list[str]:
    plain = wanted.upper().removeprefix("UD-").replace("FP16", "F16")
    found = [name for name in models if label(name) == plain]
    dynamic = [name for name in found if "UD-" in name.upper()]
    if wanted.upper().startswith("UD-"):
        return dynamic
    return [name for name in found if name not in dynamic] or dynamic


def _only(found: Sequence[str], models: Sequence[str], wanted: str, where: str) -> str:
    whole = [name for name in found if _SPLIT.match(name) is None]
    if len(found) == 1 or len(whole) == 1:  # some repositories have both
        return (whole or found)[0]
    if found:
        raise ModelNotFound(f"{where!r} has several models of {wanted!r}", hint=_listing(found))
    labels = sorted({label(name) for name in models} - {""})
    meant = did_you_mean(wanted, labels)
    raise ModelNotFound(
        f"{where!r} has no model of {wanted!r}",
        hint=f"{meant} There is {', '.join(labels)}".lstrip() if labels else _listing(models),
    )


def _listing(models: Sequence[str]) -> str:
    return f"Name one of its files behind it, with a slash: {', '.join(models)}"
