"""Speaker: from the logits of a row to tokens in the hands of a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.events import FinishReason, Token

from penstock_llamacpp.stream import Stream
from penstock_llamacpp.vocabulary import Vocabulary

if TYPE_CHECKING:
    from penstock_llamacpp.context import Context

__all__ = ["Speaker"]


class Speaker:
    """Chooses the next token of a stream and delivers it quietly. `tokens` counts them all."""

    def __init__(self, context: Context, vocabulary: Vocabulary) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._is_end = vocabulary.is_end
        self._pieces = vocabulary.pieces
        self.tokens = 0

    def speak(self, stream: Stream, row: int, at: float) -> FinishReason | None:
        """Generate one token from the logits of `row`, and those that a constraint forces then.

        Returns why the stream ends with them, or None. A reader that left and a stop string end it
        too: the ticket knows those reasons itself, and "stop" is returned.
        """
        token = stream.sampler.choose(self._context, row)
        if self._is_end(token):
            return "stop"
        reason = self._say(stream, token, at)
        if stream.guide is None or reason is not None:
            return reason
        return self._forced(stream, at)

    def _forced(self, stream: Stream, at: float) -> FinishReason | None:
        guide = stream.guide
        assert guide is not None
        for token in guide.forced():
            stream.sampler.count(token)
            reason = self._say(stream, token, at)
            if reason is not None:
                return reason
        return "stop" if guide.ended else None

    def _say(self, stream: Stream, token: int, at: float) -> FinishReason | None:
        data = self._pieces[token] or self._vocabulary.learn(token)
        if stream.trim:
            data, stream.trim = data.removeprefix(b" "), False
        stream.tokens.append(token)
        stream.generated += 1
        self.tokens += 1
        if not stream.ticket.deliver(Token(token, data, at, stream.sampler.logprob), quietly=True):
            return "stop"
        if stream.generated < stream.limit:
            return None
        # An answer that is whole with its last token was not cut.
        return "stop" if stream.guide is not None and stream.guide.ended else "length"
