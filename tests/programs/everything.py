"""A program that knows no backend: PENSTOCK_MODEL says which model it talks to.

It completes, stops early, remembers over three turns, and takes a typed answer; what came of it is
printed as JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import anyio
import penstock


@dataclass
class Animal:
    """What the story is about."""

    kind: Literal["cat", "dog", "bird"]
    wild: bool


async def main() -> None:
    async with penstock.load() as model:
        done = await model.complete("Once upon a time", max_tokens=12)

        sentence = ""
        story = model.complete("Once upon a time", max_tokens=200)
        async for delta in story.until("."):
            sentence += delta.text

        chat = model.session("You are kind.")
        await chat.send("My name is Ada.")
        await chat.send("I like the number 7.")
        name = await chat.send("What is my name?")

        asked = [{"role": "user", "content": "Tom has a cat. What is it?"}]
        animal = await model.chat(asked, schema=Animal, max_tokens=64)
        assert isinstance(animal.parsed, Animal)
    told = {
        "backend": model.info.backend,
        "text": done.text,
        "ended": done.finish_reason,
        "sentence": sentence,
        "left": story.completion.finish_reason,
        "name": name.text,
        "said": [message.role for message in chat.history],
        "animal": asdict(animal.parsed),
    }
    print(json.dumps(told))


anyio.run(main)
