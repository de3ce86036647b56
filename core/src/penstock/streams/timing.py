"""The moments of one generation, and the figures made of them."""

from __future__ import annotations

from time import perf_counter

from penstock.events import Timings

__all__ = ["Trace"]


class Trace:
    """Collects moments, in seconds of `time.perf_counter`; None is: not yet.

    Written by the producer of a generation, read by its consumer. `life` is the last sign of
    life: being taken up, progress with the prompt, or a token.
    """

    __slots__ = (
        "admitted",
        "finished",
        "first_text",
        "first_token",
        "last_token",
        "life",
        "prompt_tokens",
        "submitted",
        "tokens",
    )

    def __init__(self, submitted: float | None = None) -> None:
        self.submitted = perf_counter() if submitted is None else submitted
        self.admitted: float | None = None
        self.first_token: float | None = None
        self.first_text: float | None = None
        self.last_token: float | None = None
        self.finished: float | None = None
        self.life = self.submitted
        self.tokens = 0
        self.prompt_tokens = 0

    def begin(self, at: float) -> None:
        """Note that the request was submitted."""
        self.submitted = self.life = at

    def admit(self, at: float) -> None:
        """Note that the engine took the request up."""
        self.admitted = self.life = at

    def progress(self, at: float, evaluated: int) -> None:
        """Note progress with the prompt: `evaluated` tokens so far, without reused ones."""
        self.life = at
        self.prompt_tokens = evaluated

    def token(self, at: float, count: int) -> None:
        """Note `count` tokens generated, the last of them `at`; none is a sign of life only."""
        self.life = at
        if not count:
            return
        if self.first_token is None:
            self.first_token = at
        self.last_token = at
        self.tokens += count

    def text(self, at: float) -> None:
        """Note that text became visible."""
        if self.first_text is None:
            self.first_text = at

    def finish(self, at: float) -> None:
        """Note the end; the first one counts."""
        if self.finished is None:
            self.finished = at

    def timings(self) -> Timings:
        """Return the figures, as `Timings` defines them."""
        itl = self._itl()
        return Timings(
            queue=self._since_submitted(self.admitted),
            ttft=self._since_submitted(self.first_token),
            ttfo=self._since_submitted(self.first_text),
            itl=itl,
            e2e=self._since_submitted(self.finished),
            prefill_tps=self._prefill_tps(),
            decode_tps=1 / itl if itl else None,
        )

    def _since_submitted(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self.submitted

    def _itl(self) -> float | None:
        if self.tokens < 2 or self.first_token is None or self.last_token is None:
            return None
        return (self.last_token - self.first_token) / (self.tokens - 1)

    def _prefill_tps(self) -> float | None:
        if self.admitted is None or self.first_token is None or not self.prompt_tokens:
            return None
        seconds = self.first_token - self.admitted
        return self.prompt_tokens / seconds if seconds > 0 else None
