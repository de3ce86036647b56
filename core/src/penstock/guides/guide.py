"""Constrained decoding: which tokens may come next. llguidance does the parsing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NoReturn

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray

from penstock.constraint import Constraint
from penstock.errors import EngineError, UsageError
from penstock.guides.grammar import grammar_of
from penstock.guides.lexicon import Lexicon
from penstock.guides.words import Words

__all__ = ["Guide", "Guides"]

_KEPT = 32
"""How many compiled constraints are kept."""

_AHEAD = 256
"""How many tokens `Guide.forced` returns at most."""

_STATES = 50_000
"""States of a lexer at most; each takes up to 2 kB, and llguidance's own limit is 250,000."""

_NOTHING_FITS = "NoExtensionBias"
"""How llguidance says that no token can come next."""

_HINTS = {
    "json_schema": "Leave out what is not supported, and check the answer yourself",
    "regex": "The syntax is that of Rust's regex: no look-around and no back-references",
    "choices": "Give fewer or shorter choices",
    "grammar": "A grammar in Lark begins with `start:`, one in GBNF with `root ::=`",
}


class Guides:
    """Makes the guides of a model. Safe from any thread.

    A constraint is compiled once; the last 32 are kept.
    """

    def __init__(self, vocabulary: Words) -> None:
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        self._lexicon: Lexicon | None = None
        self._compiled: OrderedDict[tuple[Constraint, bool], LLMatcher] = OrderedDict()

    def guide(self, constraint: Constraint, *, trims: bool = False) -> Guide:
        """Return a guide at the beginning of an answer.

        `trims` says that a space in front of the first token is no part of the text, since the
        vocabulary puts one there by itself. Raises `UsageError` for a constraint that is wrong, too
        large, not supported, or that no text can satisfy, and `ModelClosed`.
        """
        with self._lock:
            lexicon = self._lexicon = self._lexicon or Lexicon(self._vocabulary)
            matcher = self._matcher(lexicon, constraint, trimmed=False)
            first = self._matcher(lexicon, constraint, trimmed=True) if trims else None

        def forget() -> None:
            # What reached a limit shares its lexer with all copies, and they fail at once.
            self._compiled.pop((constraint, False), None)
            self._compiled.pop((constraint, True), None)

        return Guide(lexicon, matcher, first, forget)

    def _matcher(self, lexicon: Lexicon, constraint: Constraint, *, trimmed: bool) -> LLMatcher:
        key = constraint, trimmed
        matcher = self._compiled.pop(key, None)
        if matcher is None:
            matcher = _compile(lexicon.tokenizer(trimmed=trimmed), constraint)
        self._compiled[key] = matcher
        if len(self._compiled) > _KEPT:
            self._compiled.popitem(last=False)
        return matcher.deep_copy()


class Guide:
    """Where one answer stands under its constraint. For one thread at a time.

    ended      nothing may follow any more
    complete   the text so far satisfies the constraint; then, and only then, the tokens that end
               a text are allowed
    """

    def __init__(
        self,
        lexicon: Lexicon,
        matcher: LLMatcher,
        first: LLMatcher | None,
        forget: Callable[[], None],
    ) -> None:
        self._lexicon = lexicon
        self._matcher = matcher
        self._first = first  # answers for the first token, where a space before it is dropped
        self._forget = forget
        self._closed = False
        self._bits: NDArray[np.uint8] | None = None

    @property
    def complete(self) -> bool:
        return bool(self._matcher.is_accepting())

    @property
    def ended(self) -> bool:
        matcher = self._matcher
        return self._closed or bool(matcher.is_stopped() and not matcher.is_error())

    def allows(self, token: int) -> bool:
        """Whether `token` may come next. Far cheaper than `mask`; nothing is accepted by it."""
        lexicon = self._lexicon
        if token in lexicon.silent or self._closed:
            return token in lexicon.ends and self.complete and not self._closed
        if self._first is None:
            return bool(self._matcher.validate_tokens([token]))
        return self._begins(token)

    def mask(self, logits: NDArray[np.float32]) -> bool:
        """Set the logits of all tokens that may not come next to -inf, in place.

        Where the text is forced, of the tokens that would do only the usual one is left.
        Returns False, and leaves them as they are, if no token may come next. Raises
        `EngineError` where the constraint has become too complex to follow.
        """
        lexicon, bits = self._lexicon, self._allowed()
        if not bits.any():
            return False
        forbidden = np.unpackbits(~bits, bitorder="little", count=lexicon.size).view(np.bool_)
        np.copyto(logits, -np.inf, where=forbidden)
        return True

    def accept(self, token: int) -> None:
        """Go on behind `token`. Raises `EngineError` if it is not allowed here."""
        lexicon = self._lexicon
        if token in lexicon.silent or self._closed:
            if not self.allows(token):
                self._refuse(token)
            self._closed = True
            return
        ids = [token]
        if self._first is not None:
            if not self._begins(token):
                self._refuse(token)
            ids, self._first = lexicon.spelled(lexicon.trimmed(token)), None
        if not self._matcher.consume_tokens(ids):
            self._refuse(token)

    def forced(self) -> list[int]:
        """Return tokens that must come next, up to 256; [] where there is a choice.

        They are not accepted by it. They are cut as the model would cut the text, as far as can
        be told; the text is forced, and the same text may have other tokens.
        """
        if self._first is not None or self._closed:
            return []
        ids: list[int] = self._matcher.compute_ff_tokens()[:_AHEAD]
        silent = self._lexicon.silent
        return next((ids[:at] for at, token in enumerate(ids) if token in silent), ids)

    def _begins(self, token: int) -> bool:
        # A token that is only the space adds nothing to the text, so anything may follow.
        if not self._lexicon.trimmed(token):
            return not self.ended
        return bool(self._first is not None and self._first.validate_tokens([token]))

    def _allowed(self) -> NDArray[np.uint8]:
        lexicon = self._lexicon
        if self._bits is None:
            self._bits = np.zeros_like(lexicon.text_bits)
        bits, matcher = self._bits, self._first or self._matcher
        if self._closed:
            bits[:] = 0
            return bits
        matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        if matcher.is_error():
            self._fail(matcher)
            bits[:] = 0
        bits &= lexicon.text_bits
        if self._first is not None and not self.ended:
            bits |= lexicon.space_bits
        if self.complete:
            bits |= lexicon.end_bits
        return bits

    def _fail(self, matcher: LLMatcher) -> None:
        self._forget()
        reason = _reason(matcher)
        if not reason.startswith(_NOTHING_FITS):
            raise EngineError(
                f"the constraint cannot be followed any further: {reason}", hint="Simplify it"
            )

    def _refuse(self, token: int) -> NoReturn:
        reason = _reason(self._matcher) or "the constraint does not allow it here"
        if self._matcher.is_error():
            self._forget()
        raise EngineError(
            f"token {token} ({self._lexicon.pieces[token]!r}) cannot follow: {reason}"
        )


def _compile(tokenizer: LLTokenizer, constraint: Constraint) -> LLMatcher:
    limits = LLParserLimits(max_lexer_states=_STATES, verbose_errors=False)
    try:
        matcher = LLMatcher(tokenizer, grammar_of(constraint), log_level=0, limits=limits)
    except ValueError as error:
        raise _unusable(constraint, str(error)) from error
    if not matcher.is_error():
        matcher.compute_bitmask()  # finds out whether any text is possible at all
    if matcher.is_error():
        raise _unusable(constraint, _reason(matcher))
    return matcher


def _reason(matcher: LLMatcher) -> str:
    return str(matcher.get_error()).replace("<non-verbose/>", "").strip()


def _unusable(constraint: Constraint, reason: str) -> UsageError:
    what = constraint.kind.replace("_", " ").replace("json", "JSON")
    if reason.startswith(_NOTHING_FITS):
        return UsageError(f"the {what} is not usable: no text satisfies it", hint="Loosen it")
    return UsageError(
        f"the {what} is not usable: {reason[:500].rstrip()}", hint=_HINTS[constraint.kind]
    )
