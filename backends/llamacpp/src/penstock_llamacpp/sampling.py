"""Sampler: from the logits of a place to the token that a request's options choose for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.errors import EngineError
from penstock.events import Logprob
from penstock.request import Sampling

from penstock_llamacpp.biases import biases_of
from penstock_llamacpp.candidates import Logits
from penstock_llamacpp.drawing import choice_of
from penstock_llamacpp.library import Library
from penstock_llamacpp.logprobs import Scale
from penstock_llamacpp.repetition import repetition_of
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["DEFAULTS", "Constraining", "Rows", "Sampler"]

DEFAULTS = Sampling(
    temperature=0.8,
    top_k=40,
    top_p=0.95,
    min_p=0.05,
    typical_p=1.0,
    top_n_sigma=0.0,
    xtc_probability=0.0,
    xtc_threshold=0.1,
    dynatemp_range=0.0,
    dynatemp_exponent=1.0,
    mirostat=0,
    mirostat_tau=5.0,
    mirostat_eta=0.1,
    repeat_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    repeat_last_n=64,
    dry_multiplier=0.0,
    dry_base=1.75,
    dry_allowed_length=2,
    dry_penalty_last_n=64,
    dry_sequence_breakers=("\n", ":", '"', "*"),
    ignore_eos=False,
)
"""The values llama-server takes where a request says nothing."""


class Rows(Protocol):
    """What was evaluated, as a context holds it."""

    def logits(self, row: int) -> Logits:
        """Return the logits after a row, which may be written to, until the next evaluation."""


class Constraining(Protocol):
    """What an answer must be, as far as it has come."""

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""

    def mask(self, logits: Logits) -> bool:
        """Put -inf in the place of each token that may not; return whether any may."""

    def accept(self, token: int) -> None:
        """Go on by a token that `allows` said may come."""


class Sampler:
    """Chooses the tokens of one request.

    The order is llama-server's: biases, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p,
    XTC, temperature, draw. Mirostat stands in place of all from top-n-sigma on; a temperature of 0
    too: it takes the likeliest. The penalties and DRY count the end of `prompt`. An option that is
    off costs nothing. Without top-k, typical, top-p, XTC and a dynamic temperature sort the whole
    vocabulary, which takes a millisecond where it is large.

    Raises `UsageError` for tokens in `logit_bias` that do not exist, or breakers of DRY that
    llama.cpp cannot read.

    logprob  that of the token chosen last, where it was asked for; None for one that was counted
    """

    def __init__(
        self,
        library: Library,
        vocabulary: Vocabulary,
        sampling: Sampling,
        prompt: Sequence[int],
        guide: Constraining | None = None,
    ) -> None:
        chosen = sampling.over(DEFAULTS)
        self.logprob: Logprob | None = None
        self._guide = guide
        self._scale = None if chosen.logprobs is None else Scale(vocabulary, chosen.logprobs)
        self._biases = biases_of(vocabulary, chosen)
        self._choice = choice_of(library, chosen, vocabulary.size)
        # Mirostat learns from every token it draws, so it must draw none that is refused.
        self._masks_first = bool(chosen.mirostat)
        try:
            self._repetition = repetition_of(library, vocabulary, chosen, prompt)
        except BaseException:
            self._choice.close()
            raise

    def choose(self, rows: Rows, row: int) -> int:
        """Choose the token after a row, and count it.

        Raises `EngineError` where no token can come: the constraint cannot be met, every token is
        banned, or the logits are no numbers. Nothing is counted then.
        """
        logits = rows.logits(row)
        reading = None if self._scale is None else self._scale.read(logits)
        token = self._pick(self._shaped(logits, keep=reading is not None))
        self.count(token)
        if reading is not None:
            self.logprob = reading.of(token)
        return token

    def count(self, token: int) -> None:
        """Count a token, whoever chose it: penalties, DRY and constraint hear of it."""
        self.logprob = None
        if self._repetition is not None:
            self._repetition.count(token)
        if self._guide is not None:
            self._guide.accept(token)

    def close(self) -> None:
        """Free llama.cpp's samplers; closing again does nothing."""
        self._choice.close()
        if self._repetition is not None:
            self._repetition.close()

    def _shaped(self, logits: Logits, *, keep: bool) -> Logits:
        if self._biases is None and self._repetition is None:
            return logits
        # In place, unless they are looked at once more: to copy the logits of 32,000 tokens takes
        # 60 us in a cache that the weights have just emptied.
        shaped = logits.copy() if keep else logits
        if self._biases is not None:
            self._biases.apply(shaped)
        if self._repetition is not None:
            self._repetition.apply(shaped)
        return shaped

    def _pick(self, logits: Logits) -> int:
        guide = self._guide
        if guide is None:
            return self._choice.pick(logits)
        # To ask for one token is cheap, to mask them all is not, and most are allowed.
        if not self._masks_first:
            token = self._choice.pick(logits)
            if guide.allows(token):
                return token
        if not guide.mask(logits) or logits.max() == float("-inf"):
            raise EngineError(
                "the constraint cannot be met: no token can come next",
                hint="Look at what bans tokens: logit_bias, ignore_eos, or the model itself",
            )
        return self._choice.pick(logits)
