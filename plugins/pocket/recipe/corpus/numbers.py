"""Numbers: sums and differences to 20, counting, comparing, little word problems."""

from __future__ import annotations

from random import Random

from .example import Exchange, Family, capitalised, exchange, words

LIMIT = 20
WORDS = words("""
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty""")
_SUM_ASKS = (
    "What is {a} + {b}?",
    "What is {a} plus {b}?",
    "{a} + {b} = ?",
    "How much is {a} + {b}?",
    "How much is {a} plus {b}?",
    "Add {a} and {b}.",
    "{a} plus {b}?",
    "{a} + {b}",
)
_DIFFERENCE_ASKS = (
    "What is {a} - {b}?",
    "What is {a} minus {b}?",
    "{a} - {b} = ?",
    "How much is {a} - {b}?",
    "How much is {a} minus {b}?",
    "Take {b} from {a}.",
)
_THINGS = words("apples balls books cakes coins cups eggs flowers hats pears shells stars")
_UP_ASKS = ("Count from {a} to {b}.", "Please count from {a} to {b}.", "Count {a} to {b}.")
_TO_ASKS = ("Count to {b}.", "Can you count to {b}?", "Please count to {b}.", "Count up to {b}.")
_DOWN_ASKS = ("Count down from {b}.", "Count backwards from {b}.", "Can you count down from {b}?")


def sums(rng: Random) -> Exchange:
    """Add two numbers; the result is at most 20."""
    total = rng.randint(0, LIMIT)
    a = rng.randint(0, total)
    ask = rng.choice(_SUM_ASKS).format(a=a, b=total - a)
    return exchange("sums", ask, f"{a} + {total - a} = {total}.", f"{total}.")


def differences(rng: Random) -> Exchange:
    """Subtract a number from one that is at most 20."""
    a = rng.randint(0, LIMIT)
    b = rng.randint(0, a)
    ask = rng.choice(_DIFFERENCE_ASKS).format(a=a, b=b)
    return exchange("sums", ask, f"{a} - {b} = {a - b}.", f"{a - b}.")


def spelled(rng: Random) -> Exchange:
    """Add two numbers that are written as words."""
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    ask = rng.choice(("What is {a} plus {b}?", "How much is {a} plus {b}?", "Add {a} and {b}."))
    text = f"{WORDS[a]} plus {WORDS[b]} is {WORDS[a + b]}."
    short = capitalised(WORDS[a + b]) + "."
    return exchange("sums", ask.format(a=WORDS[a], b=WORDS[b]), capitalised(text), short)


def problems(rng: Random) -> Exchange:
    """Ask for a sum in the clothes of a little story."""
    total = rng.randint(2, LIMIT)
    a = rng.randint(1, total - 1)
    thing = rng.choice(_THINGS)
    ask = rng.choice(
        (
            "I have {a} {t} and I get {b} more. How many {t} do I have?",
            "I had {a} {t}. Then I got {b} more. How many {t} do I have now?",
            "If I have {a} {t} and you give me {b} more, how many {t} do I have?",
        )
    ).format(a=a, b=total - a, t=thing)
    answer = f"{a} + {total - a} = {total}. You have {total} {thing}."
    return exchange("sums", ask, answer, f"{total}.")


def counting(rng: Random) -> Exchange:
    """Count up from one number to another, up from one, or down to one."""
    shape = rng.choice(("up", "up", "to", "down"))
    b = rng.randint(2, LIMIT)
    a = rng.randint(1, b - 1) if shape == "up" else 1
    asks = {"up": _UP_ASKS, "to": _TO_ASKS, "down": _DOWN_ASKS}[shape]
    numbers = range(b, 0, -1) if shape == "down" else range(a, b + 1)
    answer = ", ".join(map(str, numbers)) + "."
    return exchange("counting", rng.choice(asks).format(a=a, b=b), answer)


def following(rng: Random) -> Exchange:
    """Ask for the number after or before another."""
    a = rng.randint(1, LIMIT - 1)
    word, b = rng.choice((("after", a + 1), ("before", a - 1)))
    ask = rng.choice(("What number comes {w} {a}?", "Which number comes {w} {a}?",
                      "What comes {w} {a}?", "Tell me the number {w} {a}."))  # fmt: skip
    text = f"The number {word} {a} is {b}."
    return exchange("counting", ask.format(w=word, a=a), text, f"{b}.")


def comparing(rng: Random) -> Exchange:
    """Ask which of two numbers is bigger or smaller."""
    a, b = rng.sample(range(LIMIT + 1), 2)
    word = rng.choice(("bigger", "smaller"))
    ask = rng.choice(
        (
            "Which is {w}, {a} or {b}?",
            "Which number is {w}, {a} or {b}?",
            "What is {w}: {a} or {b}?",
        )
    )
    winner = max(a, b) if word == "bigger" else min(a, b)
    loser = a + b - winner
    text = f"{winner} is {word} than {loser}."
    return exchange("comparing", ask.format(w=word, a=a, b=b), text, f"{winner}.")


def families() -> dict[str, tuple[Family, ...]]:
    """Return the generators of each family, by the family's name."""
    return {
        "sums": (sums, sums, sums, differences, differences, spelled, problems),
        "counting": (counting, counting, following),
        "comparing": (comparing,),
    }
