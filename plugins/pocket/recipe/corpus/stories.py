"""Little stories with endings, as plain documents and as answers to a request."""

from __future__ import annotations

from random import Random

from . import names
from .example import Document, Turn, article, held_out, words
from .plots import ENDINGS, OPENINGS, PLOTS

ANIMALS = words("""
bear bee bird bunny cat chick cow deer dog donkey dragon duck elephant fish fox frog
goat goose hedgehog hen horse kitten lamb lion mole monkey mouse otter owl panda parrot penguin pig
pony puppy rabbit robot seal sheep snail squirrel swan tiger turtle whale wolf""")
_PEOPLE = ("girl", "boy", "prince", "princess", "king", "queen", "wizard", "pirate")
_SHE, _HE = {"girl", "princess", "queen"}, {"boy", "prince", "king", "wizard", "pirate"}
_ADJECTIVES = words("""
little small kind brave clever shy happy curious quiet young gentle funny
tiny""")
_PLACES = """the forest,the lake,the river,the old mill,the big hill,the sea,the bridge,the garden,
the old tree,the meadow,the market,the pond,the castle,the farm""".replace("\n", "").split(",")
_HOMES = """a small village,a quiet forest,a little house,a big city,a green valley,an old castle,
a warm cave,a land far away""".replace("\n", "").split(",")
_FOODS = """bread,cheese,apples,soup,cookies,honey,berries,pancakes,pears,nuts,cake,
carrots""".replace("\n", "").split(",")
_WEATHER = ("sunny", "cold", "warm", "windy", "rainy", "bright", "grey")
_THINGS = [
    "toy boat",
    "blue stone",
    "magic pen",
    "golden key",
    "red umbrella",
    "wooden box",
    "paper crown",
]
_THINGS += words("ball kite drum book lantern flute hat scarf shell spoon whistle map ring bell")
_ASKS = (
    "Tell me a story about {a} {kind}.",
    "Tell me a story about {a} {kind} named {name}.",
    "Can you tell me a story about {a} {kind}?",
    "I want a story about {a} {kind}.",
    "Please tell me a story about {a} {kind} named {name}.",
    "Write a story about {a} {kind}.",
    "A story about {a} {kind}, please.",
    "Tell me a short story about {a} {kind} named {name}.",
    "Tell me about {a} {kind} named {name}.",
)
_PLAIN_ASKS = (
    "Tell me a story.", "Tell me a story.", "Can you tell me a story?", "Please tell me a story.",
    "I want to hear a story.", "Write a little story.", "Tell me a short story.",
    "A story, please.",
    "Another story, please.", "Tell me another story.", "Do you know a story?", "Write a story.",
    "Once upon a time",
)  # fmt: skip


def _hero(rng: Random, kind: str, *, test: bool) -> dict[str, str]:
    feminine = kind in _SHE or (kind not in _HE and rng.random() < 0.5)
    name = (names.girl if feminine else names.boy)(rng, test=test)
    if feminine:
        return {"name": name, "they": "she", "them": "her", "their": "her", "self": "herself"}
    return {"name": name, "they": "he", "them": "him", "their": "his", "self": "himself"}


def slots(rng: Random, *, kind: str = "", test: bool = False) -> dict[str, str]:
    """Fill the slots of a plot; the hero is of the given kind, or of any."""
    kind = kind or rng.choice(ANIMALS + list(_PEOPLE) * 3)
    hero = _hero(rng, kind, test=test)
    other = rng.choice([animal for animal in ANIMALS if animal != kind])
    friend = rng.choice((names.girl, names.boy))(rng)
    while friend == hero["name"]:
        friend = names.boy(rng)
    return hero | {
        "kind": kind,
        "They": hero["they"].capitalize(),
        "other": other,
        "friend": friend,
        "adj": rng.choice(_ADJECTIVES),
        "thing": rng.choice(_THINGS),
        "place": rng.choice(_PLACES),
        "a_place": rng.choice(_HOMES),
        "food": rng.choice(_FOODS),
        "weather": rng.choice(_WEATHER),
    }


def tell(rng: Random, filled: dict[str, str]) -> str:
    """Tell one story with these slots: an opening, a plot, an ending."""
    plot = rng.choice(list(PLOTS.values()))
    lines = [rng.choice(OPENINGS)] + [rng.choice(line.split("|")) for line in plot]
    lines.append(rng.choice(ENDINGS))
    if rng.random() < 0.35:
        lines.append("The end.")
    return " ".join(line.format(**filled) for line in lines)


def plain(rng: Random) -> Document:
    """Return a story as a bare document."""
    return Document("stories", (Turn("story", tell(rng, slots(rng))),), "story")


def asked(rng: Random, *, test: bool = False) -> Document:
    """Return a conversation in which a story is asked for, with or without a subject.

    In a test, the hero's name and the pair of hero and question are held out.
    """
    if not test and rng.random() < 0.3:
        ask, filled, key = rng.choice(_PLAIN_ASKS), slots(rng), "story"
    else:
        while True:
            kind, frame = rng.choice(ANIMALS + list(_PEOPLE)), rng.choice(_ASKS)
            key = f"story:{kind}:{frame}"
            if held_out(key) is test:
                break
        filled = slots(rng, kind=kind, test=test)
        ask = frame.format(a=article(kind), **filled)
    return Document("asked-stories", (Turn("user", ask), Turn("assistant", tell(rng, filled))), key)
