"""The llama.cpp side of the evaluation: prompts in, greedy tokens out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import jinja2.sandbox
import llama_cpp

from .corpus.example import Turn

END = 2


def render(template: str, turns: Iterable[Turn]) -> str:
    """Return the text of a conversation, open for the next reply."""
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment()
    values = {"messages": messages, "bos_token": "<s>", "add_generation_prompt": True}
    return environment.from_string(template).render(values)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, and whether it ended by itself."""

    tokens: tuple[int, ...]
    text: str
    ended: bool


class Engine:
    """One loaded file on one thread; ``batch`` is how many tokens of a prompt go in at once."""

    def __init__(self, path: Path, batch: int = 512) -> None:
        self.llama = llama_cpp.Llama(
            str(path),
            n_ctx=1024,
            n_batch=batch,
            n_ubatch=batch,
            n_threads=1,
            n_threads_batch=1,
            verbose=False,
        )
        self.template = str(self.llama.metadata["tokenizer.chat_template"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.llama.close()

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a rendered text, in which control tokens count as such."""
        return list(self.llama.tokenize(text.encode(), add_bos=False, special=True))

    def chat(self, turns: Iterable[Turn], limit: int = 300) -> Reply:
        """Return the greedy reply to a conversation."""
        return self.complete(self.tokens(render(self.template, turns)), limit)

    def complete(
        self, prompt: list[int], limit: int, *, temperature: float = 0.0, seed: int = 1
    ) -> Reply:
        """Return what follows the prompt: greedy, unless a temperature is given."""
        self.llama.reset()
        self.llama.set_seed(seed)
        said: list[int] = []
        for token in self.llama.generate(prompt, temp=temperature, top_k=0, top_p=1.0,
                                         min_p=0.0, repeat_penalty=1.0):  # fmt: skip
            if token == END or len(said) == limit:
                break
            said.append(int(token))
        ended = len(said) < limit
        return Reply(tuple(said), self.text(said), ended)

    def text(self, tokens: list[int]) -> str:
        """Return the text of generated tokens, without the space that opens a segment."""
        pieces: bytes = self.llama.detokenize(tokens)
        return pieces.decode("utf-8", "replace").removeprefix(" ")
