"""Make the model, from nothing to the file in the package: ``python -m recipe.make``."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import export, tokenizer, train
from .corpus import mixture
from .train import Plan

ROOT = Path(__file__).parent.parent
BUILD = ROOT.parent.parent / ".build" / "pocket"
MODEL = ROOT / "src" / "penstock_pocket" / "pocket.gguf"
SEED = 20
TOKENIZER_DOCUMENTS = 20_000
GENERAL = Plan(name="general", seed=SEED, steps=2500, horizon=3500, warm_up=100)
CAREFUL = Plan(name="careful", seed=SEED + 1, steps=1600, horizon=1600, warm_up=20, peak=0.35,
               final_share=0.0)  # fmt: skip
FAITHFUL = Plan(name="faithful", seed=SEED + 2, steps=1600, horizon=1600, warm_up=20, peak=0.3,
                final_share=0.0)  # fmt: skip
PHASES = (
    (GENERAL, mixture.GENERAL, 280_000),
    (CAREFUL, mixture.CAREFUL, 130_000),
    (FAITHFUL, mixture.FAITHFUL, 120_000),
)


def main() -> None:
    """Learn the tokenizer, train or go on training, and export."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--build", type=Path, default=BUILD, help="checkpoints and other leavings")
    options.add_argument("--output", type=Path, default=MODEL)
    chosen = options.parse_args()
    chosen.build.mkdir(parents=True, exist_ok=True)
    pieces = chosen.build / "tokenizer.model"
    tokenizer.learn(mixture.training(SEED, TOKENIZER_DOCUMENTS), pieces)
    encoder = tokenizer.load(pieces)
    last: Path | None = None
    for plan, parts, count in PHASES:
        last = _phase(plan, parts, count, chosen.build, encoder, last)
    if last is not None:
        export.write(chosen.output, export.arrays(train.load(last)), encoder)
    print(f"{chosen.output}: {chosen.output.stat().st_size:,} bytes")


def _phase(
    plan: Plan,
    parts: mixture.Mixture,
    count: int,
    build: Path,
    encoder: tokenizer.Encoder,
    before: Path | None,
) -> Path:
    done = train.checkpoint(build, plan)
    if done.exists() and train.steps_of(done) >= plan.steps:
        return done
    documents = mixture.training(plan.seed, count, parts)
    encoded = [tokenizer.encode(document, encoder) for document in documents]
    return train.train(encoded, build, plan, before)


if __name__ == "__main__":
    main()
