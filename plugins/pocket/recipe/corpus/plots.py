"""Openings, plots and endings of little stories; the plots stand in ``plots.txt``."""

from __future__ import annotations

from pathlib import Path

OPENINGS = (
    "Once upon a time, there was a {adj} {kind} named {name}.",
    "Once upon a time, there was a {adj} {kind} named {name}.",
    "Once upon a time, there was a {adj} {kind} named {name}.",
    "Once upon a time, a {adj} {kind} named {name} lived near {place}.",
    "Once upon a time, in {a_place}, there lived a {adj} {kind} named {name}.",
    "There was a {adj} {kind} named {name}.",
    "There once was a {adj} {kind} named {name} who lived near {place}.",
    "One day, a {adj} {kind} named {name} went for a walk near {place}.",
    "Long ago, a {adj} {kind} named {name} lived near {place}.",
    "{name} was a {adj} {kind}.",
    "{name} was a {adj} {kind} who lived near {place}.",
    "In {a_place} there lived a {adj} {kind} named {name}.",
)
ENDINGS = (
    "{They} went home with a big smile.",
    "From that day on, {name} and {friend} were best friends.",
    "From that day on, {name} was never alone again.",
    "{name} was very happy.",
    "That night, {name} slept very well.",
    "{name} never forgot that day.",
    "{name} and {friend} laughed and danced until the sun went down.",
    "And {name} told everyone about it.",
    "It was the best day of all.",
    "And they lived happily ever after.",
)


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    sections = path.read_text(encoding="utf-8").split("\n[")[1:]
    parts = (section.rstrip().split("]\n", 1) for section in sections)
    return {name: tuple(lines.splitlines()) for name, lines in parts}


PLOTS: dict[str, tuple[str, ...]] = _read(Path(__file__).with_name("plots.txt"))
