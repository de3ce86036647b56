"""How the families are mixed into documents, and which documents are tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from . import languages, memory, numbers, records, smalltalk, stories, styles, tables
from .example import Document, Exchange, Family, Turn, capitalised, draw, held_out

Maker = Callable[[Random], Document]
_CASUAL_STARTS = ("Please: ", "Hey Pocket, ", "Tell me: ", "Hello! ", "Hi. ", "Ok. ", "And ",
                  "So, ")  # fmt: skip


def families() -> dict[str, tuple[Family, ...]]:
    """Return every family of single exchanges by its name."""
    return (
        tables.families()
        | numbers.families()
        | {"echo": (records.echo, records.echo, records.twice), "lists": (records.things,)}
        | languages.families()
        | smalltalk.families()
    )


FACTUAL = ("colours", "opposites", "plurals", "animals", "capitals", "days", "kinds",
           "sums", "sums", "counting", "comparing")  # fmt: skip
CHATTY = ("greetings", "thanks", "identity", "fun", "unknown")
OTHER = ("echo", "lists", "languages", "foreign-greetings", "emoji")
_FAMILIES = families()


def one(name: str, rng: Random, *, test: bool = False) -> Exchange:
    """Draw an exchange of one family from the wanted side of the split."""
    if name == "json":
        return _record(rng, test=test)
    return draw(rng, *_FAMILIES[name], test=test)


def _record(rng: Random, *, test: bool) -> Exchange:
    if not test and rng.random() < 0.2:
        return draw(rng, records.listing)
    return records.record(rng, test=test)


def _any(rng: Random) -> Exchange:
    group = rng.choice((FACTUAL, FACTUAL, FACTUAL, CHATTY, CHATTY, OTHER))
    return one(rng.choice(group), rng)


def casual(ask: str, rng: Random) -> str:
    """Return the question as people type it: sometimes in lower case or without its full stop."""
    if rng.random() < 0.06:
        start = rng.choice(_CASUAL_STARTS)
        ask = start + (ask if start[-2] in ".:!" or ask[:2] == "I " else ask[:1].lower() + ask[1:])
    if rng.random() < 0.15:
        ask = ask.rstrip(".?!")
    if rng.random() < 0.15:
        ask = ask[:1].lower() + ask[1:]
    return ask


def _loose(found: Exchange, rng: Random) -> tuple[Turn, Turn]:
    exact = ("json", "echo", "foreign-greetings", "emoji", "told")
    ask = found.ask if found.family in exact else casual(found.ask, rng)
    return Turn("user", ask), Turn("assistant", found.answer)


def _lowered(text: str, rng: Random) -> str:
    return text.lower() if rng.random() < 0.1 else text


def short_chat(rng: Random) -> Document:
    """Return one to four unrelated exchanges, now and then below a plain system prompt."""
    turns = [Turn("system", rng.choice(styles.PLAIN.prompts))] if rng.random() < 0.15 else []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        user, reply = _loose(_any(rng), rng)
        turns += [Turn("user", _lowered(user.text, rng)), reply]
    return Document("chat", tuple(turns), "chat")


def single(name: str, rng: Random, *, test: bool = False) -> Document:
    """Return one exchange of one family."""
    found = one(name, rng, test=test)
    turns = found.turns() if test else _loose(found, rng)
    return Document(name, turns, found.key, found.others)


def styled(rng: Random, *, test: bool = False) -> Document:
    """Return exchanges below a system prompt whose rule every answer follows."""
    style = rng.choice(styles.STYLES)
    turns = [Turn("system", rng.choice(style.prompts))]
    count = 1 if test else rng.choice((1, 1, 2, 3))
    names = FACTUAL if test else FACTUAL + FACTUAL + ("greetings", "identity", "thanks", "unknown")
    key = style.name
    for _ in range(count):
        found = one(rng.choice(names), rng, test=test)
        if style.name == "one-word" and found.short == found.answer:
            found = draw(rng, tables.COLOURS, test=test)
        key = found.key
        ask = found.ask if test else casual(found.ask, rng)
        turns += [Turn("user", ask), Turn("assistant", style.rule(found))]
    return Document(f"system: {style.name}", tuple(turns), key)


def spoken(rng: Random, *, test: bool = False) -> Document:
    """Return an exchange below a system prompt that names a language."""
    while True:
        prompt, found = styles.foreign(rng)
        if held_out(found.key) is test:
            return _below(prompt, found)


def renamed(rng: Random, *, test: bool = False) -> Document:
    """Return an exchange below a system prompt that gives the model another name."""
    prompt, found = styles.renamed(rng, test=test)
    return _below(prompt, found)


def _below(prompt: str, found: Exchange) -> Document:
    return Document(found.family, (Turn("system", prompt), *found.turns()), found.key)


def in_user_words(rng: Random, *, test: bool = False) -> Document:
    """Return a question that carries its own rule: "Answer in one word: …"."""
    style = rng.choice((styles.ONE_WORD, styles.CAPITALS, styles.PIRATE))
    found = draw(rng, *tables.TABLES, test=test)
    prompt = rng.choice(style.prompts).rstrip(".")
    ask = f"{prompt}: {found.ask}" if rng.random() < 0.5 else f"{found.ask} {prompt}."
    turns = Turn("user", ask), Turn("assistant", style.rule(found))
    return Document("inline-style", turns, found.key)


def _chatter(rng: Random, count: int) -> list[Exchange]:
    return [_any(rng) for _ in range(count)]


def _told(fact: memory.Fact, value: str, rng: Random) -> Exchange:
    tell, reply = rng.choice(fact.tell), rng.choice(fact.acknowledge)
    answer = capitalised(reply.format(v=value))
    return Exchange("told", tell.format(v=value), answer, "Okay.", "told")


def _asked(fact: memory.Fact, value: str | None, rng: Random) -> Exchange:
    if value is None:
        return Exchange("asked", rng.choice(fact.ask), fact.unknown, "Unknown.", "asked")
    answer, short = fact.recall.format(v=value), f"{capitalised(value)}."
    return Exchange("asked", rng.choice(fact.ask), answer, short, "asked")


def _conversation(rng: Random, exchanges: list[Exchange], *, exact: bool = False) -> list[Turn]:
    """Join the exchanges, now and then below a system prompt that all of them follow."""
    style = styles.PLAIN if rng.random() < 0.75 else rng.choice(styles.STYLES)
    if exact or rng.random() < 0.7:
        style, turns = styles.PLAIN, list[Turn]()
    else:
        turns = [Turn("system", rng.choice(style.prompts))]
    for found in exchanges:
        user, _ = _loose(found, rng)
        turns += [Turn("user", found.ask) if exact else user, Turn("assistant", style.rule(found))]
    return turns


def name_recall(rng: Random, *, test: bool = False, between: int = 1) -> Document:
    """Return a chat: the name is told, other things are talked about, the name is asked for.

    In a test the name is held out, and ``between`` exchanges lie between.
    """
    value = memory.NAME.value(rng, test)
    gap = between if test else rng.choice((0, 1, 1, 1, 2, 3, 4))
    exchanges = [_told(memory.NAME, value, rng), *_chatter(rng, gap)]
    if not test and rng.random() < 0.1:
        value = memory.NAME.value(rng, False)
        exchanges.append(_told(memory.NAME, value, rng))
    exchanges.append(_asked(memory.NAME, value, rng))
    turns = _conversation(rng, exchanges, exact=test)
    return Document("name-recall", tuple(turns), f"name:{value}")


def fact_recall(rng: Random, *, test: bool = False) -> Document:
    """Return a chat in which several things are told and then asked for; one was never told."""
    facts = rng.sample((memory.NAME, *memory.FACTS), rng.choice((2, 2, 3, 4)))
    known: list[tuple[memory.Fact, str | None]] = [(fact, fact.value(rng, test)) for fact in facts]
    missing = known.pop()[0] if rng.random() < 0.35 else None
    exchanges: list[Exchange] = []
    for fact, value in known:
        exchanges += [_told(fact, str(value), rng), *_chatter(rng, rng.choice((0, 0, 1)))]
    rng.shuffle(known)
    wanted = known[: rng.choice((1, 2, 3))]
    if missing is not None and rng.random() < 0.7:
        wanted.append((missing, None))
    exchanges += [_asked(fact, value, rng) for fact, value in wanted]
    return Document("fact-recall", tuple(_conversation(rng, exchanges, exact=test)), "facts")


def not_told(rng: Random, *, test: bool = False) -> Document:
    """Return a chat that asks for something which was never told."""
    fact = rng.choice((memory.NAME, memory.NAME, memory.NAME, *memory.FACTS))
    exchanges = [*_chatter(rng, rng.choice((0, 0, 1, 2))), _asked(fact, None, rng)]
    return Document("not-told", tuple(_conversation(rng, exchanges, exact=test)), "not-told")


def long_chat(rng: Random) -> Document:
    """Return a long chat that comes back to its beginning again and again."""
    value = memory.NAME.value(rng, False)
    turns = _conversation(rng, [_told(memory.NAME, value, rng)], exact=True)
    for _ in range(rng.choice((3, 4, 6, 8))):
        exchanges = _chatter(rng, rng.choice((2, 3)))
        if rng.random() < 0.3:
            turns += stories.asked(rng).turns
        exchanges.append(_asked(memory.NAME, value, rng))
        turns += _conversation(rng, exchanges, exact=True)
    return Document("long-chat", tuple(turns), "name")


def story_then_chat(rng: Random) -> Document:
    """Return a chat with a story in it and a question before or after."""
    before, after = rng.choice(((0, 0), (0, 0), (1, 0), (0, 1), (1, 1)))
    turns = [Turn("system", rng.choice(styles.PLAIN.prompts))] if rng.random() < 0.1 else []
    for found in _chatter(rng, before):
        turns += _loose(found, rng)
    turns += stories.asked(rng).turns
    for found in _chatter(rng, after):
        turns += _loose(found, rng)
    return Document("asked-stories", tuple(turns), "story")


def _shouted(rng: Random) -> Document:
    prompt = rng.choice(styles.CAPITALS.prompts)
    found = one(rng.choice(FACTUAL), rng)
    ask = Turn("user", casual(found.ask, rng))
    turns = Turn("system", prompt), ask, Turn("assistant", styles.CAPITALS.rule(found))
    return Document("system: capitals", turns, found.key)


@dataclass(frozen=True, slots=True)
class Mixture:
    """The weight of each part in a corpus; families that are not named weigh one."""

    parts: tuple[tuple[Maker, float], ...]
    alone: dict[str, float]

    def makers(self) -> tuple[tuple[Maker, float], ...]:
        """Return all parts, each with its weight."""
        singles = [*_FAMILIES, "json"]
        return self.parts + tuple(
            ((lambda rng, n=name: single(n, rng)), self.alone.get(name, 1.0)) for name in singles
        )


GENERAL = Mixture(
    (
        (stories.plain, 10.0), (story_then_chat, 8.0), (short_chat, 16.0), (styled, 14.0),
        (spoken, 2.0), (renamed, 2.0), (in_user_words, 4.0), (name_recall, 10.0),
        (fact_recall, 8.0), (not_told, 3.0), (long_chat, 1.5),
    ),
    {"sums": 3.0, "counting": 2.5, "json": 6.0, "languages": 3.0, "emoji": 2.0, "echo": 3.0,
     "opposites": 2.0, "plurals": 2.0, "capitals": 2.0},
)  # fmt: skip
CAREFUL = Mixture(
    (
        (stories.plain, 4.0), (story_then_chat, 8.0), (short_chat, 14.0), (styled, 14.0),
        (_shouted, 9.0), (spoken, 2.0), (renamed, 4.0), (in_user_words, 7.0), (name_recall, 12.0),
        (fact_recall, 8.0), (not_told, 3.0), (long_chat, 1.0),
    ),
    {"sums": 14.0, "counting": 3.0, "comparing": 5.0, "json": 14.0, "languages": 5.0, "emoji": 2.0,
     "echo": 6.0, "opposites": 2.0, "plurals": 2.0, "capitals": 3.0, "animals": 2.0},
)  # fmt: skip

FAITHFUL = Mixture(
    (
        (stories.plain, 4.0), (story_then_chat, 18.0), (short_chat, 10.0), (styled, 16.0),
        (_shouted, 7.0), (spoken, 1.5), (renamed, 8.0), (in_user_words, 5.0), (name_recall, 24.0),
        (fact_recall, 22.0), (not_told, 4.0), (long_chat, 2.0),
    ),
    {"sums": 8.0, "counting": 2.0, "comparing": 3.0, "json": 11.0, "languages": 3.0, "emoji": 1.5,
     "echo": 6.0, "opposites": 1.5, "plurals": 1.5, "capitals": 2.0, "animals": 1.5},
)  # fmt: skip


def training(seed: int, count: int, mixture: Mixture = GENERAL) -> Iterator[Document]:
    """Yield that many training documents, the same ones for the same seed."""
    rng = Random(seed)
    parts = mixture.makers()
    weights = [weight for _, weight in parts]
    for _ in range(count):
        yield rng.choices(parts, weights)[0][0](rng)


def tests(seed: int, count: int) -> dict[str, list[Document]]:
    """Return up to that many different held-out documents for each family that has them."""
    rng = Random(seed)
    suites: dict[str, Maker] = {name: _tester(name) for name in (*dict.fromkeys(FACTUAL), "json",
                                "echo", "lists", "languages", "emoji", "unknown")}  # fmt: skip
    suites["small talk, new phrases"] = _talk
    suites["small talk, trained phrases"] = _usual_talk
    for style in styles.STYLES:
        suites[f"system: {style.name}"] = _style_tester(style.name)
    suites |= {
        "system-language": lambda r: spoken(r, test=True),
        "system-name": lambda r: renamed(r, test=True),
        "inline-style": lambda r: in_user_words(r, test=True),
        "name-recall": lambda r: name_recall(r, test=True),
        "fact-recall": lambda r: fact_recall(r, test=True),
        "not-told": lambda r: not_told(r, test=True),
    }
    return {name: _distinct(maker, rng, count) for name, maker in suites.items()}


def _talk(rng: Random) -> Document:
    found = draw(rng, *smalltalk.TALKS, test=True)
    return Document("small talk", found.turns(), found.key, found.others)


def _usual_talk(rng: Random) -> Document:
    found = rng.choice(smalltalk.TALKS)(rng)
    while held_out(found.key):
        found = rng.choice(smalltalk.TALKS)(rng)
    return Document("small talk", found.turns(), "talk", found.others)


def _tester(name: str) -> Maker:
    def maker(rng: Random) -> Document:
        while True:
            found = single(name, rng, test=True)
            if not found.prompt[-1].text.startswith("Please"):  # casual() may have taught it
                return found

    return maker


def _style_tester(name: str) -> Maker:
    def maker(rng: Random) -> Document:
        while True:
            found = styled(rng, test=True)
            if found.family == f"system: {name}":
                return found

    return maker


def _distinct(maker: Maker, rng: Random, count: int) -> list[Document]:
    found: dict[tuple[Turn, ...], Document] = {}
    for _ in range(count * 5):
        document = maker(rng)
        found.setdefault(document.prompt, document)
        if len(found) == count:
            break
    return list(found.values())
