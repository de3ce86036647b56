"""System prompts that change the answer, each with the rule it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from . import memory, names
from .example import Exchange

Rule = Callable[[Exchange], str]


@dataclass(frozen=True, slots=True)
class Style:
    """Ways to write one system prompt, and what it does to an answer."""

    name: str
    prompts: tuple[str, ...]
    rule: Rule


def _bare(text: str) -> str:
    return text.rstrip(".!")


def _pirate(found: Exchange) -> str:
    if found.answer.endswith((".", "!")):
        return f"Arr! {found.answer[:-1]}, matey!"
    return f"Arr, matey! {found.answer}"


def _as_json(found: Exchange) -> str:
    return json.dumps({"answer": _bare(found.short)}, ensure_ascii=False)


PLAIN = Style(
    "plain",
    ("You are a helpful assistant.", "You are Pocket.", "You are a friendly little model.",
     "Be kind.", "Answer the question.", "Be helpful.", "You are helpful and polite."),
    lambda found: found.answer,
)  # fmt: skip
ONE_WORD = Style(
    "one-word",
    ("Answer in one word.", "Answer with one word.", "One word answers only.", "Use one word only.",
     "Reply with a single word.", "Please answer in one word."),
    lambda found: found.short,
)  # fmt: skip
BRIEF = Style(
    "brief",
    ("Be brief.", "Keep it short.", "Short answers, please.", "Give short answers.",
     "Answer briefly."),
    lambda found: found.short,
)  # fmt: skip
CAPITALS = Style(
    "capitals",
    ("Answer in capital letters.", "Use capital letters only.", "Write in capital letters.",
     "ANSWER IN CAPITAL LETTERS.", "Always write in upper case.", "Reply in capitals."),
    lambda found: found.answer.upper(),
)  # fmt: skip
PIRATE = Style(
    "pirate",
    ("You are a pirate.", "Talk like a pirate.", "Answer like a pirate.", "You are a funny pirate.",
     "Speak like a pirate."),
    _pirate,
)  # fmt: skip
ROBOT = Style(
    "robot",
    ("You are a robot.", "Talk like a robot.", "Answer like a robot.", "Speak like a robot."),
    lambda found: f"Beep. {found.answer} Beep.",
)
CHEERFUL = Style(
    "cheerful",
    ("Use emoji.", "Answer with an emoji.", "Always add an emoji.", "End with an emoji."),
    lambda found: f"{found.answer} 😊",
)
JSON = Style(
    "json-system",
    ("Answer in JSON.", "Always answer in JSON.", "Reply with JSON only.", "Respond in JSON.",
     "Use JSON."),
    _as_json,
)  # fmt: skip
STYLES: tuple[Style, ...] = (ONE_WORD, BRIEF, CAPITALS, PIRATE, ROBOT, CHEERFUL, JSON)

LANGUAGE_PROMPTS = ("Answer in {l}.", "Speak {l}.", "Reply in {l}.", "Always answer in {l}.",
                    "You speak {l}.", "Please answer in {l}.")  # fmt: skip
FOREIGN: dict[str, dict[str, str]] = {
    "French": {
        "hello": "Bonjour !", "how": "Je vais bien, merci.", "thanks": "De rien !",
        "bye": "Au revoir !", "name": "Je m'appelle Pocket.",
    },
    "Spanish": {
        "hello": "¡Hola!", "how": "Estoy bien, gracias.", "thanks": "¡De nada!",
        "bye": "¡Adiós!", "name": "Me llamo Pocket.",
    },
    "German": {
        "hello": "Hallo!", "how": "Mir geht es gut, danke.", "thanks": "Bitte schön!",
        "bye": "Tschüss!", "name": "Ich heiße Pocket.",
    },
    "Italian": {
        "hello": "Ciao!", "how": "Sto bene, grazie.", "thanks": "Prego!",
        "bye": "Arrivederci!", "name": "Mi chiamo Pocket.",
    },
    "Chinese": {
        "hello": "你好！", "how": "我很好，谢谢！", "thanks": "不客气！",
        "bye": "再见！", "name": "我叫 Pocket。",
    },
}  # fmt: skip
FOREIGN_ASKS: dict[str, tuple[str, ...]] = {
    "hello": ("Hello", "Hello!", "Hi", "Hi!", "Good morning.", "Good evening.", "Hey!",
              "Hello there."),
    "how": ("How are you?", "How are you today?", "How is it going?", "How do you do?"),
    "thanks": ("Thank you.", "Thanks!", "Thank you very much!", "Many thanks."),
    "bye": ("Goodbye.", "Bye!", "See you!", "See you later.", "Bye bye!"),
    "name": ("What is your name?", "Who are you?", "What's your name?", "Tell me your name."),
}  # fmt: skip


def foreign(rng: Random) -> tuple[str, Exchange]:
    """Return a system prompt that asks for a language, and an exchange in that language."""
    language, replies = rng.choice(list(FOREIGN.items()))
    topic = rng.choice(list(replies))
    ask = rng.choice(FOREIGN_ASKS[topic])
    key = f"foreign:{language}:{ask.lower()}"
    prompt = rng.choice(LANGUAGE_PROMPTS).format(l=language)
    return prompt, Exchange("system-language", ask, replies[topic], replies[topic], key)


def renamed(rng: Random, *, test: bool) -> tuple[str, Exchange]:
    """Return a system prompt that names the model or the user, and the question for it."""
    name = names.person(rng, test=test)
    if rng.random() < 0.3:
        prompt = rng.choice(("The user is called {n}.", "The name of the user is {n}."))
        ask = rng.choice(memory.NAME.ask)
        answer = memory.NAME.recall.format(v=name)
        found = Exchange("system-name", ask, answer, f"{name}.", f"name:{name}")
        return prompt.format(n=name), found
    prompt = rng.choice(("Your name is {n}.", "You are {n}.", "You are called {n}.",
                         "You are a helpful model named {n}.")).format(n=name)  # fmt: skip
    ask = rng.choice(("What is your name?", "Who are you?", "What's your name?",
                      "Tell me your name.", "What are you called?"))  # fmt: skip
    key = f"name:{name}"
    return prompt, Exchange("system-name", ask, f"My name is {name}.", f"{name}.", key)
