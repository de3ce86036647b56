"""Answers as JSON, and words that have to be said back: exercises in careful copying."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from . import names
from .example import Exchange, capitalised, exchange, words

Value = str | int
Record = dict[str, Value]

_ASKS = (
    "Give me JSON: {s}", "As JSON: {s}", "Turn this into JSON: {s}", "{s} Answer in JSON.",
    "{s} Give me that as JSON.", "Write this as JSON: {s}", "JSON: {s}", "{s} As JSON, please.",
    "Make JSON from this: {s}", "Extract the data as JSON: {s}",
)  # fmt: skip
_NAMED_ASKS = (
    "Give me the {k} as JSON: {s}", "{s} Give me the {k} as JSON.", "Extract the {k} as JSON: {s}",
    "{s} Answer with {k} in JSON.",
)  # fmt: skip
_ANIMALS = words("cats dogs birds cows hens ducks foxes frogs sheep owls bees mice")
_COLOURS = words("red blue green yellow purple pink orange black white brown grey")
_THINGS = words("hat ball cup book coat boat bike car lamp kite box door")
_WORDS = words("""
apple banana river cloud stone happy window purple garden silver yellow tiger music
summer little dragon pepper lemon forest rabbit candle winter bridge castle market orange pocket
water bread light green north seven paper tree moon star fish bird""")


@dataclass(frozen=True, slots=True)
class Shape:
    """Sentences, the record each of them holds, and how to draw one."""

    sentences: tuple[str, ...]
    draw: Callable[[Random, bool], Record]


def _age(rng: Random, test: bool) -> Record:
    return {"name": names.person(rng, test=test), "age": rng.randint(1, 99)}


def _town(rng: Random, test: bool) -> Record:
    return {"name": names.person(rng, test=test), "city": names.town(rng, test=test)}


def _all(rng: Random, test: bool) -> Record:
    return _age(rng, test) | {"city": names.town(rng, test=test)}


def _colour(rng: Random, test: bool) -> Record:
    return {"name": names.person(rng, test=test), "colour": rng.choice(_COLOURS)}


def _count(rng: Random, _test: bool) -> Record:
    return {"animal": rng.choice(_ANIMALS), "count": rng.randint(2, 99)}


def _thing(rng: Random, _test: bool) -> Record:
    return {"thing": rng.choice(_THINGS), "colour": rng.choice(_COLOURS)}


SHAPES: tuple[Shape, ...] = (
    Shape(("{name} is {age} years old.", "My name is {name} and I am {age} years old.",
           "I am {name} and I am {age}.", "{name} is {age}."), _age),
    Shape(("{name} lives in {city}.", "My name is {name} and I live in {city}.",
           "{name} comes from {city}."), _town),
    Shape(("{name} is {age} years old and lives in {city}.",
           "My name is {name}, I am {age} years old and I live in {city}.",
           "{name}, {age}, lives in {city}."), _all),
    Shape(("{name} likes {colour}.", "The favourite colour of {name} is {colour}."), _colour),
    Shape(("There are {count} {animal}.", "I see {count} {animal}.", "I have {count} {animal}."),
          _count),
    Shape(("The {thing} is {colour}.", "I have a {colour} {thing}."), _thing),
)  # fmt: skip
_OPEN = SHAPES[:4]


def record(rng: Random, *, test: bool = False) -> Exchange:
    """Ask for a sentence as JSON; names and towns of a test are held out."""
    shape = rng.choice(_OPEN if test else SHAPES + _OPEN)
    found = shape.draw(rng, test)
    sentence = rng.choice(shape.sentences).format(**found)
    keys = list(found)
    listed = ", ".join(keys[:-1]) + " and " + keys[-1]
    ask = rng.choice(_ASKS + _NAMED_ASKS).format(s=sentence, k=listed)
    answer = json.dumps(found, ensure_ascii=False)
    key = f"records:{found['name']}" if "name" in found else f"records:{sentence}"
    return Exchange("json", capitalised(ask), answer, answer, key)


def listing(rng: Random) -> Exchange:
    """Ask for some words as a JSON list."""
    words = rng.sample(_COLOURS + _WORDS, rng.randint(2, 4))
    ask = rng.choice(("Make a JSON list of {w}.", "As a JSON list: {w}.", "JSON list: {w}"))
    answer = json.dumps(words)
    return exchange("json", ask.format(w=", ".join(words)), answer, answer)


def echo(rng: Random) -> Exchange:
    """Ask for words to be said back."""
    words = " ".join(rng.sample(_WORDS, rng.randint(1, 4)))
    if rng.random() < 0.3:
        words = f"{names.person(rng)} {words}"
    frames = ("Repeat after me: {w}.", "Say {w}.", "Repeat: {w}.", "Please say {w}.",
              "Repeat the words {w}.", "Can you say {w}?")  # fmt: skip
    said = capitalised(words) + "."
    return exchange("echo", rng.choice(frames).format(w=words), said, said)


def twice(rng: Random) -> Exchange:
    """Ask for a word to be said a number of times."""
    times, word = rng.choice((2, 3, 4, 5)), rng.choice(_WORDS)
    counts = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
    frames = ("Say {w} {n}.", "Repeat {w} {n}.", "Please say {w} {n}.", "Write {w} {n}.")
    said = capitalised(" ".join([word] * times)) + "."
    return exchange("echo", rng.choice(frames).format(w=word, n=counts[times]), said, said)


def things(rng: Random) -> Exchange:
    """Ask for a list with one line for each thing."""
    pools = {"animals": "cat dog fox owl bear frog", "colours": "red blue green yellow pink white",
             "fruits": "apple pear banana cherry peach plum", "days": "Monday Tuesday Wednesday"
             " Thursday Friday Saturday"}  # fmt: skip
    kind, n = rng.choice(list(pools)), rng.randint(2, 6)
    number = words("zero one two three four five six")[n] if rng.random() < 0.6 else str(n)
    frames = ("List {n} {k}.", "Name {n} {k}.", "Make a list of {n} {k}.", "Give me {n} {k}.",
              "Can you name {n} {k}?", "Tell me {n} {k}.")  # fmt: skip
    lines = "\n".join(f"- {word}" for word in pools[kind].split()[:n])
    return exchange("lists", rng.choice(frames).format(n=number, k=kind), lines)
