"""Sequences: which tokens each sequence of the context holds, and how prompts find them again."""

from __future__ import annotations

from array import array

from penstock_llamacpp.held import Held, Memory, Occupancy
from penstock_llamacpp.prefixes import begins, shared
from penstock_llamacpp.shelf import Shelf, Shelved, State

__all__ = ["Sequences"]

_WORTH_COPYING = 16
"""Tokens from which on a shared prefix is worth a sequence of its own."""

_WORTH_KEEPING = 32
"""Tokens from which on a prefix is worth saving to RAM: fewer are evaluated as quickly."""

_RESTORING = 16
"""How many tokens of a saved state are restored in the time in which one is evaluated, at least:
1,024 tokens take 3 ms to restore and 1,071 ms to evaluate (25 M parameters, CPU)."""

_TAIL = 8
"""Tokens at the end of a prompt that a checkpoint leaves out: the header of the answer, and what
may be tokenised in another way once the answer follows. The same prompt needs its last token."""


class Sequences:
    """The sequences of one context, and the states on `shelf`.

    There are `room` of them, two more at least than are ever in use at once: then one can always be
    made free without losing the one that a prefix is copied from.

    A prompt is given the longest prefix that any of them holds: an idle sequence that it continues
    is taken over; of others, the shared part is copied, which costs no memory, if the memory can
    go on from there. `rewinds` is whether it usually can. Where it cannot, only whole sequences
    serve, and so copies are kept of a prompt near its end, and of what it shares with another:
    these checkpoints are what a prompt finds that goes on in another way. A `plain` memory has no
    windows and no states: what one sequence holds of a text is as good as what another does.
    A prefix of fewer than `least` tokens is not worth it.
    """

    def __init__(
        self,
        memory: Memory,
        room: int,
        shelf: Shelf,
        *,
        rewinds: bool,
        reuse: bool,
        plain: bool = False,
        least: int = 1,
    ) -> None:
        self._memory = memory
        self._shelf = shelf
        self._rewinds = rewinds
        self._reuse = reuse
        self._plain = plain
        self._least = least
        self._free = list(range(room - 1, -1, -1))
        self._held: dict[int, Held] = {}
        self._clock = 0

    @property
    def live_tokens(self) -> int:
        """How many tokens the sequences in use hold; a shared prefix counts for each."""
        return sum(held.count for held in self._held.values() if held.live)

    @property
    def idle_tokens(self) -> int:
        """How many tokens the kept prefixes hold."""
        return sum(held.count for held in self._idle())

    def occupancy(self) -> Occupancy:
        """Return what is held now."""
        idle = len(self._idle())
        return Occupancy(
            live=len(self._held) - idle,
            live_tokens=self.live_tokens,
            idle=idle,
            idle_tokens=self.idle_tokens,
            shelf_bytes=self._shelf.bytes,
        )

    def claim(self, tokens: array[int]) -> Held:
        """Return a sequence in use for `tokens`, holding as many of the first as could be found.

        At least the last token is left to be evaluated, since no logits are kept.
        """
        checkpoints = self._reuse and not self._rewinds
        seen = self._seen(tokens) if checkpoints else 0
        held = self._found(tokens) if self._reuse else None
        if held is None:
            held = Held(self._fresh_id())
        held.used, held.live, held.tokens = self._now(), True, tokens
        held.copied = False
        held.marks = _marks(len(tokens), held.count, seen) if checkpoints else ()
        self._held[held.id] = held
        return held

    def rewind(self, held: Held, count: int) -> None:
        """Forget what a sequence in use holds behind its first `count` tokens, if it can."""
        if self._plain and self._memory.remove(held.id, count):
            held.count = count

    def renew(self, held: Held) -> Held:
        """Return a sequence for the same tokens, with as many of them as can be found now.

        It takes the place of `held`, and holds no less.
        """
        if not self._reuse:
            return held
        tokens = held.tokens
        self.release(held)
        return self.claim(tokens)

    def replace(self, held: Held, count: int, state: State) -> bool:
        """Give a sequence in use a state of the first `count` of its tokens, from elsewhere.

        False, and the sequence is empty, where there is no room for it; kept prefixes make room.
        """
        self._memory.remove(held.id, 0)
        held.count = 0
        while not self._memory.restore(held.id, state):
            if not self.evict():
                return False
        held.count = count
        return True

    def mark(self, held: Held) -> None:
        """Keep a copy of what a sequence in use holds, if this is one of its `marks`."""
        if held.count not in held.marks or self._has(held):
            return
        kept = self._copied(held, held.count)
        kept.tokens, kept.live, kept.checkpoint = held.tokens[: held.count], False, True
        kept.used = self._now()
        self._held[kept.id] = kept

    def release(self, held: Held) -> None:
        """Give a sequence back; what it holds is kept for prompts to come."""
        held.used, held.live, held.marks = self._now(), False, ()
        held.tokens = held.tokens[: held.count]
        if not held.count or not self._reuse:
            self.drop(held)
            return
        for other in self._idle():
            if other is not held and self._serves(held, other):
                self.drop(other)

    def drop(self, held: Held) -> None:
        """Forget a sequence and all it holds."""
        self._memory.remove(held.id, 0)
        if self._held.pop(held.id, None) is not None:
            self._free.append(held.id)

    def evict(self, *, spare: Held | None = None) -> bool:
        """Move the least recently used kept prefix to the shelf; False if there is none.

        `spare` is not taken.
        """
        idle = [held for held in self._idle() if held is not spare]
        if not idle:
            return False
        oldest = min(idle, key=lambda held: held.used)
        self._shelve(oldest)
        self.drop(oldest)
        return True

    def spill(self, most: int) -> None:
        """Move kept prefixes to the shelf until they hold at most that many tokens.

        What the shelf is too small for stays where it is.
        """
        movable = sorted(
            (held for held in self._idle() if not held.bulky), key=lambda held: held.used
        )
        for held in movable if self._shelf.room else ():
            if self.idle_tokens <= most:
                return
            held.bulky = not (self._is_spare(held) or self._shelve(held))
            if not held.bulky:
                self.drop(held)

    @property
    def uncopied(self) -> bool:
        """Whether `copy_one` would do something."""
        return any(not held.copied for held in self._idle())

    def copy_one(self) -> None:
        """Copy a kept prefix to the shelf, so that it can make way at once.

        To save a state takes long where the machine must first find the memory: 72 MB took 4 ms,
        and 200 to 350. Who has nothing to do can spare others that.
        """
        for held in self._idle():
            if not held.copied:
                held.copied = True
                self._shelve(held)
                return

    def distrust(self) -> None:
        """Forget all that the context holds; sequences in use stay so, and are empty."""
        for held in list(self._held.values()):
            if held.live:
                self._memory.remove(held.id, 0)
                held.count = 0
            else:
                self.drop(held)

    def export(self, tokens: array[int]) -> tuple[array[int], State] | None:
        """Return a state of what is held of `tokens` and behind them, with all its tokens.

        Of a text that goes on in another way, it is of the part that both begin with. None if there
        is none that holds enough of them.
        """
        held, entry = self._continuing(tokens), self._shelf.continuing(tokens)
        if held is None and entry is None:
            return self._beginning(tokens)
        if held is not None:
            state = self._memory.save(held.id)
            return None if state is None else (held.tokens[: held.count], state)
        return None if entry is None else (entry.tokens, entry.state)

    def take_in(self, tokens: array[int], state: State) -> bool:
        """Put a state on the shelf that was saved elsewhere; False if there is no room for it."""
        return self._reuse and self._shelf.put(tokens, state)

    def clear(self) -> None:
        """Forget everything that the context and the shelf hold."""
        for held in list(self._held.values()):
            self.drop(held)
        self._shelf.clear()

    def _beginning(self, tokens: array[int]) -> tuple[array[int], State] | None:
        """Return a state of the longest beginning of `tokens` that is held, and of nothing else."""
        held, count = self._longest(tokens, len(tokens))
        found = self._shelf.longest(tokens, len(tokens))
        if max(count, 0 if found is None else found[1]) < _WORTH_COPYING:
            return None
        if found is not None and found[1] > count:
            part = self._restored(*found, held)
        else:
            part = None if held is None else self._copied(held, count)
        if part is None:
            return None
        self._held[part.id] = part
        state = self._memory.save(part.id) if part.count else None
        self.drop(part)
        return None if state is None else (tokens[: part.count], state)

    def _now(self) -> int:
        self._clock += 1
        return self._clock

    def _idle(self) -> list[Held]:
        return [held for held in self._held.values() if not held.live]

    def _found(self, tokens: array[int]) -> Held | None:
        most = len(tokens) - 1
        if most < self._least:
            return None
        held, count = self._longest(tokens, most)
        if count < self._least:
            held, count = None, 0
        shelved = self._shelf.longest(tokens, most)
        if shelved is not None and shelved[1] >= self._least and _pays(*shelved, count):
            restored = self._restored(*shelved, held)
            if restored is not None:
                return restored
        if held is None:
            return None
        if self._may_take(held, count):
            held.count = count
            return held
        return self._copied(held, count) if count >= _WORTH_COPYING else None

    def _may_take(self, held: Held, count: int) -> bool:
        """Whether a kept prefix is better taken over, but for the few tokens behind `count`."""
        if held.live or held.checkpoint:
            return False
        few = self._plain and held.count - count < _WORTH_KEEPING
        return count == held.count or (few and self._memory.remove(held.id, count))

    def _longest(self, tokens: array[int], most: int) -> tuple[Held | None, int]:
        best, longest = None, 0
        for held in self._held.values():
            count = shared(held.tokens, tokens, min(held.count, most), beyond=longest)
            if count > longest and (count == held.count or self._memory.reaches(held.id, count)):
                best, longest = held, count
        return best, longest

    def _continuing(self, tokens: array[int]) -> Held | None:
        """Return the latest sequence that holds all of `tokens`."""
        size = len(tokens)
        fit = [one for one in self._held.values() if one.count >= size]
        fit = [one for one in fit if begins(one.tokens, tokens)]
        return max(fit, key=lambda held: held.used, default=None)

    def _seen(self, tokens: array[int]) -> int:
        """Return how many of `tokens` another text begins with, evaluated or not."""
        seen = 0
        for held in self._held.values():
            seen = max(seen, shared(held.tokens, tokens, len(tokens), beyond=seen))
        return self._shelf.known(tokens, seen)

    def _has(self, held: Held) -> bool:
        """Whether a kept prefix holds the same as `held`; it is used by asking."""
        for other in self._idle():
            if other.count == held.count and begins(held.tokens, other.tokens):
                other.used, other.checkpoint = self._now(), True
                return True
        return False

    def _serves(self, held: Held, other: Held) -> bool:
        """Whether `held` serves every prompt that the kept prefix `other` does, as well."""
        if other.checkpoint or not begins(held.tokens, other.tokens):
            return False
        return held.count == other.count or self._memory.reaches(held.id, other.count)

    def _is_spare(self, held: Held) -> bool:
        """Whether a sequence in use holds what `held` does, but for a few tokens."""
        others = [other for other in self._held.values() if other.live and self._plain]
        held_too = (shared(held.tokens, one.tokens, min(held.count, one.count)) for one in others)
        return any(held.count - count < _WORTH_KEEPING for count in held_too)

    def _copied(self, source: Held, count: int) -> Held:
        source.used = self._now()  # it must outlive the making of room
        held = Held(self._fresh_id(), count=count)
        self._memory.copy(source.id, held.id, count)
        return held

    def _restored(self, entry: Shelved, count: int, spare: Held | None) -> Held | None:
        """Return a sequence with `count` tokens of a state, None where there is no room for it.

        Kept prefixes make room, but for `spare`.
        """
        self._shelf.touch(entry)
        if spare is not None:
            spare.used = self._now()
        held = Held(self._fresh_id(), count=count)
        while not self._memory.restore(held.id, entry.state):
            if not self.evict(spare=spare):
                self._free.append(held.id)
                return None
        if count < len(entry.tokens) and not self._memory.remove(held.id, count):
            self._memory.remove(held.id, 0)
            held.count = 0
        return held

    def _fresh_id(self) -> int:
        if not self._free:
            self.evict()
        return self._free.pop()

    def _shelve(self, held: Held) -> bool:
        """Put a kept prefix on the shelf; False if there is no room for one that is worth it."""
        tokens = held.tokens[: held.count]
        if held.count < _WORTH_KEEPING or self._shelf.has(tokens):
            return True
        state = self._memory.save(held.id) if self._shelf.room else None
        return state is not None and self._shelf.put(tokens, state)


def _pays(entry: Shelved, count: int, held: int) -> bool:
    """Whether restoring `count` tokens is worth it where `held` are there already."""
    return count - held >= max(_WORTH_KEEPING, len(entry.tokens) // _RESTORING)


def _marks(size: int, held: int, seen: int) -> tuple[int, ...]:
    """Return where checkpoints are made of a prompt of `size` tokens.

    `held` of them are evaluated, and `seen` of them came before, in another text.
    """
    end, branch = size - _TAIL, seen - _TAIL
    marks = [branch] if held + _WORTH_KEEPING <= branch <= end - _TAIL else []
    return (*marks, end) if end >= max(_WORTH_KEEPING, held + _TAIL) else tuple(marks)
