"""Evaluation through llama.cpp on held-out prompts: ``python -m recipe.evaluate [--card]``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from . import forward
from .corpus import mixture, stories
from .corpus.example import Document
from .engine import END, Engine, render

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "src" / "penstock_pocket" / "pocket.gguf"
CARD = ROOT / "MODEL_CARD.md"
SEED = 7_000_001
GOAL = 0.95
_MARKS = ("<!-- results: begin -->", "<!-- results: end -->")
_OPENINGS = (
    "Once upon a time", "Once upon a time, there was a {adj} {kind} named {name}",
    "One day, a {adj} {kind} named {name}", "There was a {adj} {kind} named {name}.",
    "Long ago, a {adj} {kind}", "{name} was a {adj} {kind}.", "In {a_place} there lived",
)  # fmt: skip


@dataclass(slots=True)
class Score:
    """How many of a family's prompts were answered right, and what went wrong."""

    family: str
    total: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, prompt: str, wanted: str, said: str, *, right: bool) -> None:
        """Add one answer."""
        self.total += 1
        self.right += right
        if not right:
            self.wrong.append(f"{prompt!r}: wanted {wanted!r}, said {said!r}")

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.right / max(1, self.total)

    def row(self) -> str:
        """Return a row of the table in the card."""
        verdict = "yes" if self.share >= GOAL else "**no**"
        return f"| {self.family} | {self.right} / {self.total} | {self.share:.1%} | {verdict} |"


def answers(engine: Engine, family: str, documents: Iterable[Document]) -> Score:
    """Score exact answers: the whole reply is the expected one and ends by itself."""
    score = Score(family)
    for document in documents:
        reply = engine.chat(document.prompt)
        shown = " / ".join(f"{turn.role}: {turn.text}" for turn in document.prompt)
        right = reply.ended and reply.text in (document.reply, *document.others)
        score.count(shown, document.reply, reply.text, right=right)
    return score


def recall(engine: Engine, between: int, count: int) -> Score:
    """Score whether a held-out name comes back after that many other exchanges."""
    rng = Random(SEED + between)
    documents = [mixture.name_recall(rng, test=True, between=between) for _ in range(count)]
    return answers(engine, f"name recall at turn {between + 2}", documents)


def told_stories(engine: Engine, count: int, temperature: float) -> Score:
    """Score whether stories that are begun by a bare prompt end by themselves."""
    rng, score = Random(SEED), Score(f"stories end, temperature {temperature:g}")
    for number in range(count):
        filled = stories.slots(rng, test=True)
        prompt = rng.choice(_OPENINGS).format(**filled)
        tokens = [1, *engine.tokens(prompt)]
        reply = engine.complete(tokens, 400, temperature=temperature, seed=number)
        score.count(prompt, "an ending", reply.text, right=reply.ended and len(reply.tokens) > 40)
    return score


def asked_stories(engine: Engine, count: int) -> Score:
    """Score whether a requested story ends by itself and is about what was asked for."""
    rng, score = Random(SEED), Score("asked stories: on the subject, and end")
    for _ in range(count):
        document = stories.asked(rng, test=True)
        reply = engine.chat(document.prompt, 400)
        subject = document.key.split(":")[1]
        ask = document.prompt[-1].text
        name = ask.rstrip(".?").split("named ")[-1] if "named " in ask else subject
        right = reply.ended and subject in reply.text and name in reply.text
        score.count(ask, f"a story with {subject} and {name}", reply.text, right=right)
    return score


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two greedy texts of one prompt: the same, or where they part and how close it was."""

    prompt: str
    margin: float
    parted: str = ""


def comparisons(path: Path, count: int, *, as_engine: bool) -> list[Comparison]:
    """Compare llama.cpp with the NumPy pass, greedy token by greedy token.

    ``as_engine`` rounds like llama.cpp, which then takes its prompts token by token: its kernels
    for many tokens at once add up in another order.
    """
    weights = forward.read(path)
    with Engine(path, batch=1 if as_engine else 512) as engine:
        return [
            _compared(engine, shown, prompt, weights, as_engine=as_engine)
            for shown, prompt in _comparison_prompts(engine, count)
        ]


def _compared(
    engine: Engine, shown: str, prompt: list[int], weights: forward.Weights, *, as_engine: bool
) -> Comparison:
    steps = forward.greedy(forward.Pass(weights, as_engine), prompt, limit=200, end=END)
    theirs = (*(step.token for step in steps), END)
    ours = (*engine.complete(prompt, 200).tokens, END)
    if ours == theirs:
        return Comparison(shown, min((step.margin for step in steps), default=0.0))
    pairs = zip(ours, theirs, strict=False)
    at = next(i for i, (left, right) in enumerate(pairs) if left != right)
    logits = forward.Pass(weights, as_engine).feed([*prompt, *ours[:at]])
    left, right = float(logits[ours[at]]), float(logits[theirs[at]])
    where = f"token {at}, llama.cpp {ours[at]} and NumPy {theirs[at]}"
    return Comparison(shown, right - left, f"{where}; logits {left:.4f} and {right:.4f}")


def describe(pairs: list[Comparison], what: str) -> list[str]:
    """Return what came out of a comparison, with every prompt on which the two part."""
    same = [pair for pair in pairs if not pair.parted]
    least = min((pair.margin for pair in same), default=0.0)
    share = f"{len(same)} of {len(pairs)}"
    said = (
        f"{what}: the same greedy text for {share} prompts, with margins of {least:.4f} and more."
    )
    lines = ["", said]
    return lines + [
        f"- {pair.prompt!r}: {pair.parted}; margin {pair.margin:.4f}"
        for pair in pairs
        if pair.parted
    ]


def _comparison_prompts(engine: Engine, count: int) -> Iterator[tuple[str, list[int]]]:
    rng = Random(SEED)
    for number in range(count):
        if number % 3 == 0:
            text = rng.choice(_OPENINGS).format(**stories.slots(rng, test=True))
            yield text, [1, *engine.tokens(text)]
            continue
        maker = rng.choice((mixture.name_recall, mixture.fact_recall, mixture.styled))
        document = maker(rng, test=True)
        yield document.prompt[-1].text, engine.tokens(render(engine.template, document.prompt))


def scores(engine: Engine, count: int) -> Iterator[Score]:
    """Score every family in turn."""
    for family, documents in mixture.tests(SEED, count).items():
        yield answers(engine, family, documents)
    for between in (1, 3, 5):
        yield recall(engine, between, count)
    yield told_stories(engine, count // 2, 0.0)
    yield told_stories(engine, count // 2, 0.8)
    yield asked_stories(engine, count // 2)


def report(path: Path, count: int, compared: int, *, wrong: int) -> str:
    """Evaluate the file and return the results as Markdown."""
    lines = ["| family | right | share | at least 95 % |", "|---|---|---|---|"]
    with Engine(path) as engine:
        for score in scores(engine, count):
            lines.append(score.row())
            print("\n".join([score.row(), *score.wrong[:wrong]]), flush=True)
    plain = comparisons(path, compared, as_engine=False)
    rounded = comparisons(path, compared, as_engine=True)
    lines += describe(plain, "llama.cpp and NumPy without any rounding of activations")
    lines += describe(rounded, "llama.cpp and NumPy that rounds activations as it does")
    return "\n".join(lines)


def update_card(card: Path, results: str) -> None:
    """Put the results between the marks in the card."""
    before, rest = card.read_text(encoding="utf-8").split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    card.write_text(f"{before}{_MARKS[0]}\n{results}\n{_MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Evaluate and print; with ``--card`` also write the results into the model card."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, default=MODEL)
    options.add_argument("--count", type=int, default=200, help="prompts for each family")
    options.add_argument("--compared", type=int, default=24, help="prompts compared with NumPy")
    options.add_argument("--wrong", type=int, default=0, help="wrong answers to show")
    options.add_argument("--card", action="store_true")
    chosen = options.parse_args()
    results = report(chosen.model, chosen.count, chosen.compared, wrong=chosen.wrong)
    print(results)
    if chosen.card:
        update_card(CARD, results)


if __name__ == "__main__":
    main()
