"""Honest: a well-behaved OpenAI server that says back what it was told, as a function."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from penstock_openai.testing.asked import (
    Wrong,
    chance_in,
    content_of,
    ids_in,
    list_in,
    most_in,
    object_of,
    stops_in,
    text_in,
    texts_in,
)
from penstock_openai.testing.replies import (
    CREATED,
    Json,
    Reply,
    completion_text,
    error,
    error_body,
    event,
    finish,
    json_reply,
    role,
    stream,
    text,
    usage_body,
    whole_chat,
    whole_completion,
)
from penstock_openai.testing.speech import (
    cut_at,
    id_of,
    said_back,
    text_of,
    tokens_of,
    vector_of,
)
from penstock_openai.testing.wire import Received

__all__ = ["Honest"]

FAIL = "fail now"
FAIL_AFTER = 10
FAILURE = "The engine failed, as it was asked to"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a kind of answer looks: its chunks in a stream, and the whole of it."""

    opening: tuple[Json, ...]
    piece: Callable[[str], Json]
    ending: Callable[[str], Json]
    whole: Callable[[str, str, tuple[int, int]], Json]


CHAT = Shape((role(),), text, finish, whole_chat)
COMPLETION = Shape(
    (), completion_text, lambda reason: completion_text("", reason), whole_completion
)


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said, why it ends, and the tokens of the prompt; `fails`: it breaks off."""

    tokens: list[bytes]
    reason: str
    prompt: int
    fails: bool

    @property
    def used(self) -> tuple[int, int]:
        return self.prompt, len(self.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """The answers of a server that keeps to the dialect.

    A chat gets back all that its user said, a completion its prompt: in order when it is greedy,
    with a temperature the words shuffled by the seed.

    context_length  tokens of prompt and answer together
    model           the id that it lists; it answers to any
    pace            seconds that a token takes
    least           tokens that are said at least; a shorter text is said again
    most            tokens after which even an endless answer ends

    `ignore_eos` makes an answer endless; a prompt with "fail now" in it makes it fail after ten
    tokens.
    """

    context_length: int = 512
    model: str = "echo"
    pace: float = 0.001
    least: int = 40
    most: int = 3000

    def __call__(self, received: Received) -> Reply:
        """Answer a request."""
        try:
            return self._routed(received)
        except Wrong as wrong:
            return wrong.reply

    def _routed(self, received: Received) -> Reply:
        match received.method, received.path:
            case "GET", "/v1/models":
                return self._models()
            case "POST", "/v1/chat/completions":
                return self._chat(object_of(received.body))
            case "POST", "/v1/completions":
                return self._completion(object_of(received.body))
            case "POST", "/v1/embeddings":
                return self._embeddings(object_of(received.body))
            case "POST", "/tokenize":
                return self._tokenized(object_of(received.body))
            case "POST", "/detokenize":
                return _detokenized(object_of(received.body))
            case method, path:
                return error(404, f"There is no {method} {path} here", "not_found")

    # text

    def _chat(self, body: Json) -> Reply:
        messages = [object_of(message) for message in list_in(body, "messages")]
        texts = [content_of(message) for message in messages]
        roles = [message.get("role") for message in messages]
        asked = [said for said, by in zip(texts, roles, strict=True) if by == "user"]
        return self._told(body, CHAT, self._speech(body, texts, " ".join(asked)))

    def _completion(self, body: Json) -> Reply:
        prompt, *more = texts_in(body, "prompt")
        if more:
            raise Wrong("One prompt at a time", param="prompt")
        return self._told(body, COMPLETION, self._speech(body, [prompt], prompt))

    def _speech(self, body: Json, texts: list[str], asked: str) -> Speech:
        prompt = self._room_taken(texts)
        limit = min(self.context_length - prompt, *most_in(body), self._end(body))
        least = limit if body.get("ignore_eos") else self.least
        tokens = cut_at(stops_in(body), said_back(asked, least, chance_in(body)))
        reason = "length" if len(tokens) >= limit else "stop"
        fails = any(FAIL in said for said in texts)
        return Speech(tokens[: min(limit, FAIL_AFTER) if fails else limit], reason, prompt, fails)

    def _end(self, body: Json) -> int:
        return self.most if body.get("ignore_eos") else self.context_length

    def _told(self, body: Json, shape: Shape, speech: Speech) -> Reply:
        model = {"model": body.get("model") or self.model}
        if body.get("stream"):
            return self._streamed(body, shape, speech, model)
        seconds = self.pace * len(speech.tokens)
        if speech.fails:
            return replace(error(500, FAILURE, "server_error"), before=seconds)
        said = b"".join(speech.tokens).decode()
        return replace(
            json_reply(shape.whole(said, speech.reason, speech.used) | model), before=seconds
        )

    def _streamed(self, body: Json, shape: Shape, speech: Speech, model: Json) -> Reply:
        # A text that is said again has the same tokens again: each is made into JSON once only.
        events = {token: event(shape.piece(token.decode()) | model) for token in set(speech.tokens)}
        opening = [event(chunk | model) for chunk in shape.opening]
        said = (*opening, *(events[token] for token in speech.tokens))
        if speech.fails:
            failure = error_body(FAILURE, "server_error", "server_error")
            return stream(*said, failure, done=False, pace=self.pace)
        return stream(*said, *_endings(body, shape, speech, model), pace=self.pace)

    # the rest

    def _models(self) -> Reply:
        known = {"id": self.model, "object": "model", "created": CREATED, "owned_by": "penstock"}
        listed = [known | {"max_model_len": self.context_length}]
        return json_reply({"object": "list", "data": listed})

    def _embeddings(self, body: Json) -> Reply:
        texts = texts_in(body, "input")
        used = sum(self._room_taken([said]) for said in texts)
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": at, "embedding": _packed(vector) if packed else vector}
            for at, vector in enumerate(map(vector_of, texts))
        ]
        model = {"model": body.get("model") or self.model}
        counts = {"prompt_tokens": used, "total_tokens": used}
        return json_reply({"object": "list", "data": data, "usage": counts} | model)

    def _tokenized(self, body: Json) -> Reply:
        ids = [id_of(token) for token in tokens_of(text_in(body, "content", "prompt"))]
        most = self.context_length
        return json_reply({"tokens": ids, "count": len(ids), "max_model_len": most})

    def _room_taken(self, texts: Iterable[str]) -> int:
        """Return the tokens of texts that one context holds together."""
        count = sum(len(tokens_of(said)) for said in texts)
        if count > self.context_length:
            raise Wrong(
                f"This model's maximum context length is {self.context_length} tokens, and what it "
                f"was given comes to {count} tokens. Make it shorter.",
                "context_length_exceeded",
                "messages",
            )
        return count


def _endings(body: Json, shape: Shape, speech: Speech, model: Json) -> Iterable[Json]:
    end = shape.ending(speech.reason) | model
    yield end
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield end | {"choices": [], "usage": usage_body(*speech.used)}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _detokenized(body: Json) -> Reply:
    said = text_of(ids_in(body, "tokens"))
    return json_reply({"content": said, "prompt": said})
