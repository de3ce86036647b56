"""Things a user tells about themselves, and the questions that need them later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from . import names
from .example import words
from .rows import CAPITALS

Draw = Callable[[Random, bool], str]


@dataclass(frozen=True, slots=True)
class Fact:
    """One kind of thing to remember: how it is told, acknowledged, asked for and recalled."""

    name: str
    value: Draw
    tell: tuple[str, ...]
    acknowledge: tuple[str, ...]
    ask: tuple[str, ...]
    recall: str
    unknown: str


def _colour(rng: Random, _test: bool) -> str:
    return rng.choice(words("red blue green yellow purple pink orange black white brown grey"))


def _food(rng: Random, _test: bool) -> str:
    foods = "apples pizza soup pasta bread cheese cake rice honey berries pears noodles pancakes"
    return rng.choice(words(foods))


def _town(rng: Random, test: bool) -> str:
    if rng.random() < 0.5:
        return rng.choice(CAPITALS)[1]
    return names.town(rng, test=test)


def _job(rng: Random, _test: bool) -> str:
    jobs = "teacher doctor baker farmer painter pilot nurse singer writer cook driver sailor"
    return rng.choice(words(f"{jobs} gardener"))


NAME = Fact(
    "name",
    lambda rng, test: names.person(rng, test=test),
    ("My name is {v}.", "My name is {v}.", "I am {v}.", "I'm {v}.", "Call me {v}.",
     "Hello, my name is {v}.", "Hi, I am {v}.", "Hi! I'm {v}.", "You can call me {v}.",
     "People call me {v}.", "Hello! My name is {v}. Nice to meet you.", "My name's {v}.",
     "Hello, I am {v}.", "The name is {v}.", "Hi, my name is {v}!", "Hey, {v} here."),
    ("Nice to meet you, {v}!", "Nice to meet you, {v}!", "Hello, {v}! How can I help you?",
     "Hello, {v}!"),
    ("What is my name?", "What is my name?", "What's my name?", "Do you remember my name?",
     "Who am I?", "Do you know my name?", "Can you tell me my name?", "Tell me my name.",
     "What was my name?", "What did I say my name was?", "What am I called?", "Say my name."),
    "Your name is {v}.",
    "You have not told me your name yet.",
)  # fmt: skip
COLOUR = Fact(
    "colour",
    _colour,
    ("My favourite colour is {v}.", "My favorite color is {v}.", "I like {v} best of all colours.",
     "I love the colour {v}."),
    ("I like {v} too.", "That is a lovely colour."),
    ("What is my favourite colour?", "What's my favorite color?", "Which colour do I like?",
     "Do you remember my favourite colour?", "What colour do I like?"),
    "Your favourite colour is {v}.",
    "You have not told me your favourite colour yet.",
)  # fmt: skip
TOWN = Fact(
    "town",
    _town,
    ("I live in {v}.", "I am from {v}.", "My home is in {v}.", "I come from {v}."),
    ("{v} sounds nice.", "I would love to see {v}."),
    ("Where do I live?", "Where am I from?", "Where is my home?", "Do you know where I live?",
     "Which town do I live in?"),
    "You live in {v}.",
    "You have not told me where you live yet.",
)  # fmt: skip
AGE = Fact(
    "age",
    lambda rng, _test: str(rng.randint(3, 99)),
    ("I am {v} years old.", "I'm {v} years old.", "My age is {v}."),
    ("{v} is a good age.", "Thank you for telling me."),
    ("How old am I?", "What is my age?", "Do you remember how old I am?", "Do you know my age?"),
    "You are {v} years old.",
    "You have not told me your age yet.",
)  # fmt: skip
CAT = Fact(
    "cat",
    lambda rng, test: names.pet(rng, test=test),
    ("My cat is called {v}.", "I have a cat named {v}.", "The name of my cat is {v}."),
    ("{v} is a good name for a cat.", "I would love to meet {v}."),
    ("What is my cat called?", "What is the name of my cat?", "What is my cat's name?"),
    "Your cat is called {v}.",
    "You have not told me about your cat yet.",
)  # fmt: skip
DOG = Fact(
    "dog",
    lambda rng, test: names.pet(rng, test=test),
    ("My dog is called {v}.", "I have a dog named {v}.", "The name of my dog is {v}."),
    ("{v} is a good name for a dog.", "I would love to meet {v}."),
    ("What is my dog called?", "What is the name of my dog?", "What is my dog's name?"),
    "Your dog is called {v}.",
    "You have not told me about your dog yet.",
)  # fmt: skip
FRIEND = Fact(
    "friend",
    lambda rng, test: names.person(rng, test=test),
    ("My best friend is {v}.", "My friend is called {v}.", "I have a friend named {v}."),
    ("{v} is lucky to have you.", "It is good to have a friend."),
    ("Who is my best friend?", "What is my friend called?", "What is the name of my friend?"),
    "Your friend is {v}.",
    "You have not told me about your friend yet.",
)  # fmt: skip
FOOD = Fact(
    "food",
    _food,
    ("I like to eat {v}.", "My favourite food is {v}.", "I love {v}.", "I eat {v} every day."),
    ("{v}! That sounds good.", "Now I am hungry too."),
    ("What do I like to eat?", "What is my favourite food?", "What food do I like?"),
    "You like to eat {v}.",
    "You have not told me what you like to eat yet.",
)  # fmt: skip
JOB = Fact(
    "job",
    _job,
    ("I am a {v}.", "I work as a {v}.", "My job is {v}."),
    ("A {v} does important work.", "That is a fine job."),
    ("What is my job?", "What do I do for work?", "Do you remember my job?"),
    "You are a {v}.",
    "You have not told me your job yet.",
)  # fmt: skip
FACTS: tuple[Fact, ...] = (COLOUR, TOWN, AGE, CAT, DOG, FRIEND, FOOD, JOB)
