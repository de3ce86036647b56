"""The engine: generations, embeddings and tokens of a model on a server."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from random import random
from typing import Any, Final

import anyio
from anyio import from_thread
from penstock.backend import Engine, ModelInfo
from penstock.errors import (
    ContextOverflow,
    GenerationError,
    IncompleteStream,
    MalformedAnswer,
    RemoteError,
    RequestRefused,
    ServerFailed,
    Unsupported,
)
from penstock.events import Delta, Embeddings, EngineEvent, Retry
from penstock.messages import PromptLike, as_segments
from penstock.request import Request

from penstock_openai.body import Speech
from penstock_openai.connection import Connection
from penstock_openai.exchange import Exchange
from penstock_openai.figures import usage_of
from penstock_openai.flavors import Flavor, TokenPaths
from penstock_openai.learning import Manners, unsupported_option
from penstock_openai.options import LoadOptions

__all__ = ["RemoteEngine"]

_log = logging.getLogger(__name__)

FIRST_WAIT: Final = 0.5
"""Seconds before the first retry; each further one waits twice as long."""

MARKS: Final = 5
"""Tokens that a chat template puts around a message, in most formats."""

LONGEST_WAIT: Final = 8.0
"""Seconds that a wait grows to, where the server names none."""


class RemoteEngine(Engine):
    """A model on a server. Its calls run in the event loop that loaded it."""

    def __init__(
        self, info: ModelInfo, connection: Connection, flavor: Flavor, options: LoadOptions
    ) -> None:
        self.info = info
        self._connection = connection
        self._flavor = flavor
        self._options = options
        self._speech = Speech(info.name, flavor, options)

    async def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        """Ask for one answer; ask again where nothing came of it and the fault may pass."""
        failures = 0
        while True:
            manners = replace(self._speech.manners)
            body = self._speech.body(request)
            exchange = Exchange(
                self._connection, request, incomplete=self._options.allow_incomplete
            )
            begun = False
            try:
                await exchange.open(self._speech.path(request), body)
                while (events := await exchange.read()) is not None:
                    for event in events:
                        begun = begun or type(event) is Delta
                        yield event
                return  # noqa: TRY300  # an `else` would stand between the error and its care
            except RemoteError as error:
                if not begun:
                    await self._refuse_overflow(error, request)
                reason, wait = self._again(error, failures, manners, begun=begun)
                failures += not isinstance(error, RequestRefused)  # of which something was learned
            finally:
                await exchange.aclose()
            _log.info("%s: trying again in %.1f s: %s", self.info.name, wait, reason)
            yield Retry(reason)
            await anyio.sleep(wait)

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the ids of a prompt. Called from a worker thread of the event loop."""
        text = "".join(segment.text for segment in as_segments(prompt))
        return from_thread.run(self._tokens, text)

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the text of ids. Called from a worker thread of the event loop."""
        paths = self._paths()
        url = self._options.root + paths.detokenize
        told = from_thread.run(self._asked, url, {"tokens": ids})
        text = told.get(paths.text) if isinstance(told, Mapping) else None
        if not isinstance(text, str):
            raise MalformedAnswer(f"{paths.detokenize} answered {told!r:.120}, which has no text")
        return text.encode("utf-8", "replace")

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector for each text. Called from a worker thread of the event loop."""
        body = {"model": self.info.name, "input": list(texts), "encoding_format": "float"}
        told = from_thread.run(self._asked, "/embeddings", body)
        return _embeddings(told, len(texts))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._connection.aclose()

    def _again(
        self, error: RemoteError, failures: int, manners: Manners, *, begun: bool
    ) -> tuple[str, float]:
        """Return why and in how many seconds to ask again; raise `error` where that is no use.

        `manners` are those that the request was said with.
        """
        if begun:
            raise error
        if isinstance(error, RequestRefused):
            return self._learned(error, manners), 0.0
        return error.message, self._pause(error, failures)

    def _pause(self, error: RemoteError, failures: int) -> float:
        """Return the seconds until another attempt; raise `error` where there is to be none."""
        wait = _wait(failures) if error.retry_after is None else error.retry_after
        spent = failures == self._options.retries
        if spent or not error.retryable or wait > self._options.retry_wait:
            raise error
        return wait

    def _learned(self, refusal: RequestRefused, manners: Manners) -> str:
        """Return what is done otherwise from now on; raise what to tell the user, if nothing is."""
        if manners != self._speech.manners:  # by what the server told another request meanwhile
            return f"it is said otherwise by now, since {refusal.message}"
        lesson = self._speech.manners.learn(refusal)
        if lesson is not None:
            return f"{lesson}, since {refusal.message}"
        found = unsupported_option(refusal, self._flavor)
        if found is None:
            raise refusal
        name, error = found
        able = self.info.capabilities
        self.info = replace(self.info, capabilities=replace(able, options=able.options - {name}))
        raise error from refusal

    def _paths(self) -> TokenPaths:
        if self._flavor.tokens is None:
            raise Unsupported(
                f"a server of the flavor {self._flavor.name!r} cannot tokenize",
                hint="Set the option 'flavor' if it is of another kind",
            )
        return self._flavor.tokens

    async def _asked(self, url: str, body: Mapping[str, object]) -> Any:
        failures = 0
        while True:
            try:
                told, _ = await self._connection.ask("POST", url, body)
            except RemoteError as error:
                wait = self._pause(error, failures)
            else:
                return told
            failures += 1
            await anyio.sleep(wait)

    async def _tokens(self, text: str) -> list[int]:
        paths = self._paths()
        # llama-server adds a BOS only where it is asked to; the others do so by themselves
        body = {paths.ask: text, "add_special": True, "parse_special": True}
        told = await self._asked(self._options.root + paths.tokenize, body)
        tokens = told.get("tokens") if isinstance(told, Mapping) else None
        if not isinstance(tokens, list):
            raise MalformedAnswer(f"{paths.tokenize} answered {told!r:.120}, which has no tokens")
        return [int(token) for token in tokens]

    async def _refuse_overflow(self, error: RemoteError, request: Request) -> None:
        """Raise `ContextOverflow` where that is why a server broke off.

        llama-cpp-python's does so in the middle of a stream, without a word. What its template puts
        around each message is guessed, in the figure too.
        """
        context, text = self.info.context_length, request.text
        broke = isinstance(error, IncompleteStream | ServerFailed)
        if not broke or context is None or self._flavor.tokens is None:
            return
        marks = MARKS * len(request.messages)
        if len(text.encode("utf-8", "replace")) + marks < context:  # no token is without a byte
            return
        try:
            count = len(await self._tokens(text)) + marks
        except GenerationError:
            return
        if count >= context:
            raise ContextOverflow(count, context) from error


def _wait(failures: int) -> float:
    """Seconds, doubling, less up to a quarter so that many clients do not come back together."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0**failures) * (1 - random() / 4)  # noqa: S311


def _embeddings(told: Any, count: int) -> Embeddings:
    try:
        rows = sorted(told["data"], key=lambda row: row.get("index", 0))
        vectors = tuple(tuple(map(float, row["embedding"])) for row in rows)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise MalformedAnswer(
            f"/embeddings answered {told!r:.120}, which has no vectors"
        ) from error
    if len(vectors) != count:
        raise MalformedAnswer(f"/embeddings answered {len(vectors)} vectors for {count} texts")
    usage = usage_of({"prompt_tokens": 0, **(told.get("usage") or {})})
    assert usage is not None
    return Embeddings(vectors, usage)
