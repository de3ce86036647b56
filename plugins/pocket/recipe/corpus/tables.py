"""Facts as tables: some ways to ask, one way to answer, and the rows that fill them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from . import rows
from .example import Exchange, Family, article, capitalised, exchange


@dataclass(frozen=True, slots=True)
class Table:
    """A closed set of facts. ``{x}`` is what is asked, ``{y}`` what is answered.

    ``{ax}`` and ``{ay}`` are the same behind "a" or "an".
    """

    family: str
    asks: tuple[str, ...]
    answer: str
    rows: tuple[tuple[str, str], ...]
    short: str = "{y}"

    def __call__(self, rng: Random) -> Exchange:
        """Draw one way to ask and one row."""
        x, y = rng.choice(self.rows)
        return self.fill(rng.choice(self.asks), x, y)

    def fill(self, ask: str, x: str, y: str) -> Exchange:
        """Return the exchange for this way to ask and this row."""
        words = {"x": x, "y": y, "ax": f"{article(x)} {x}", "ay": f"{article(y)} {y}"}
        answer = capitalised(self.answer.format(**words))
        return exchange(
            self.family,
            capitalised(ask.format(**words)),
            answer,
            capitalised(self.short.format(**words)) + ".",
        )


COLOURS = Table(
    "colours",
    (
        "What colour is {x}?",
        "What color is {x}?",
        "Which colour is {x}?",
        "What is the colour of {x}?",
        "Tell me the colour of {x}.",
        "Do you know what colour {x} is?",
    ),
    "{x} is {y}.",
    rows.COLOURS,
)
OPPOSITES = Table(
    "opposites",
    (
        "What is the opposite of {x}?",
        "What's the opposite of {x}?",
        "Tell me the opposite of {x}.",
        "The opposite of {x} is what?",
        "Give me the opposite of {x}.",
        "Which word is the opposite of {x}?",
    ),
    "The opposite of {x} is {y}.",
    rows.OPPOSITES,
)
PLURALS = Table(
    "plurals",
    (
        "What is the plural of {x}?",
        "What's the plural of {x}?",
        "Tell me the plural of {x}.",
        "Give me the plural of {x}.",
        "One {x}, two what?",
        "How do you write more than one {x}?",
    ),
    "The plural of {x} is {y}.",
    rows.PLURALS,
)
SOUNDS = Table(
    "animals",
    (
        "What does {ax} say?",
        "What sound does {ax} make?",
        "Which sound does {ax} make?",
        "What noise does {ax} make?",
        "How does {ax} sound?",
    ),
    "{ax} says {y}.",
    rows.SOUNDS,
)
YOUNG = Table(
    "animals",
    (
        "What is a baby {x} called?",
        "What do you call a baby {x}?",
        "What do you call a young {x}?",
        "What is the name for a young {x}?",
        "How do we call a baby {x}?",
    ),
    "A baby {x} is called {ay}.",
    rows.YOUNG,
)
LEGS = Table(
    "animals",
    (
        "How many legs does {ax} have?",
        "How many legs has {ax}?",
        "Tell me how many legs {ax} has.",
        "{ax} has how many legs?",
        "What is the number of legs of {ax}?",
    ),
    "{ax} has {y} legs.",
    rows.LEGS,
)
HOMES = Table(
    "animals",
    (
        "Where does {ax} live?",
        "Where do you find {ax}?",
        "Where can I find {ax}?",
        "Where is the home of {ax}?",
        "Tell me where {ax} lives.",
    ),
    "{ax} lives {y}.",
    rows.HOMES,
)
CAPITALS = Table(
    "capitals",
    (
        "What is the capital of {x}?",
        "What's the capital of {x}?",
        "Which city is the capital of {x}?",
        "Tell me the capital of {x}.",
        "Do you know the capital of {x}?",
        "Name the capital of {x}.",
    ),
    "The capital of {x} is {y}.",
    rows.CAPITALS,
)
COUNTRIES = Table(
    "capitals",
    (
        "{y} is the capital of which country?",
        "Which country has the capital {y}?",
        "In which country is {y}?",
        "Where is {y}?",
    ),
    "{y} is the capital of {x}.",
    rows.CAPITALS,
    "{x}",
)
NEXT_DAY = Table(
    "days",
    (
        "What day comes after {x}?",
        "Which day comes after {x}?",
        "What is the day after {x}?",
        "Today is {x}. What day is tomorrow?",
        "If today is {x}, what is tomorrow?",
        "What day follows {x}?",
    ),
    "The day after {x} is {y}.",
    rows.NEXT_DAYS,
)
PREVIOUS_DAY = Table(
    "days",
    (
        "What day comes before {x}?",
        "Which day comes before {x}?",
        "What is the day before {x}?",
        "Today is {x}. What day was yesterday?",
        "If today is {x}, what was yesterday?",
    ),
    "The day before {x} is {y}.",
    tuple((after, before) for before, after in rows.NEXT_DAYS),
)
NEXT_MONTH = Table(
    "days",
    (
        "What month comes after {x}?",
        "Which month comes after {x}?",
        "What is the month after {x}?",
        "What month follows {x}?",
        "Tell me the month after {x}.",
    ),
    "The month after {x} is {y}.",
    rows.NEXT_MONTHS,
)
PREVIOUS_MONTH = Table(
    "days",
    (
        "What month comes before {x}?",
        "Which month comes before {x}?",
        "What is the month before {x}?",
        "Tell me the month before {x}.",
    ),
    "The month before {x} is {y}.",
    tuple((after, before) for before, after in rows.NEXT_MONTHS),
)
KINDS = Table(
    "kinds",
    (
        "What is {x}?",
        "What kind of thing is {x}?",
        "Tell me what {x} is.",
        "Do you know what {x} is?",
        "Can you say what {x} is?",
    ),
    "{x} is {y}.",
    rows.KINDS,
)
TABLES: tuple[Table, ...] = (
    COLOURS, OPPOSITES, PLURALS, SOUNDS, YOUNG, LEGS, HOMES, CAPITALS, COUNTRIES, NEXT_DAY,
    PREVIOUS_DAY, NEXT_MONTH, PREVIOUS_MONTH, KINDS,
)  # fmt: skip


def families() -> dict[str, tuple[Family, ...]]:
    """Return the tables of each family, by the family's name."""
    names = dict.fromkeys(table.family for table in TABLES)
    return {name: tuple(t for t in TABLES if t.family == name) for name in names}
