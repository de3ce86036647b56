"""Training: rows, schedule, optimisers and checkpoints that a stopped run takes up again."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn import functional

from .network import Network
from .packing import Encoded, Rows, pack
from .shape import POCKET

WORKERS = 2
LENGTHS = (128, 256, POCKET.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One phase: how long to train, how fast to learn, and when to save.

    The learning rate falls so that it would end at ``horizon``, which may lie beyond the last step.
    """

    name: str
    seed: int
    steps: int
    horizon: int
    peak: float = 1.0
    batch_tokens: int = 6144
    rate: float = 3e-3
    matrix_rate: float = 0.02
    warm_up: int
    final_share: float = 0.02
    save_every: int = 250
    bf16: bool = True


def rows_of(encoded: list[Encoded]) -> list[Rows]:
    """Pack the documents into rows of the least of three lengths that holds them."""
    bounds = zip((0, *LENGTHS), LENGTHS, strict=False)
    return [
        pack((document for document in encoded if low < len(document[0]) <= high), high)
        for low, high in bounds
    ]


def batches(rows: Rows, per_batch: int, seed: int) -> Iterator[Rows]:
    """Yield batches for ever, each pass over the rows in an order of its own."""
    for epoch in range(10_000):
        order = np.random.default_rng((seed, epoch)).permutation(len(rows))
        for start in range(0, len(order) - per_batch + 1, per_batch):
            pick = order[start : start + per_batch]
            yield Rows(rows.tokens[pick], rows.documents[pick], rows.wanted[pick])


def schedule(rows: list[Rows], plan: Plan) -> Iterator[Rows]:
    """Yield the batch of every step, so that all lengths are gone through at one pace."""
    sources = [
        batches(part, plan.batch_tokens // part.tokens.shape[1], plan.seed + number)
        for number, part in enumerate(rows)
    ]
    taken = [0] * len(rows)
    for _ in range(plan.steps):
        due = min(range(len(rows)), key=lambda i: (taken[i] + 1) / rows[i].tokens.size)
        taken[due] += 1
        yield next(sources[due])


def share(step: int, plan: Plan) -> float:
    """Return the share of the full learning rate: a warm-up, then half a cosine."""
    if step < plan.warm_up:
        return plan.peak * (step + 1) / plan.warm_up
    done = (step - plan.warm_up) / max(1, plan.horizon - plan.warm_up)
    fall = plan.final_share + (1 - plan.final_share) * 0.5 * (1 + np.cos(np.pi * done))
    return float(plan.peak * fall)


def optimisers(network: Network, plan: Plan) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the blocks and AdamW for all else."""
    inner = [weight for weight in network.blocks.parameters() if weight.dim() == 2]
    outer = [network.embedding.weight, network.output.weight]
    norms = [weight for weight in network.parameters() if weight.dim() == 1]
    muon = torch.optim.Muon(inner, lr=plan.matrix_rate, weight_decay=0.01, momentum=0.95)
    groups = [{"params": outer, "weight_decay": 0.01}, {"params": norms, "weight_decay": 0.0}]
    return [muon, torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.97))]


def loss_of(network: Network, batch: Rows, *, bf16: bool) -> torch.Tensor:
    """Return the mean loss of the wanted next-token predictions in the batch."""
    tokens = torch.from_numpy(batch.tokens.astype(np.int64))
    documents = torch.from_numpy(batch.documents)
    wanted = torch.from_numpy(batch.wanted)[:, 1:]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = network(tokens[:, :-1], documents[:, :-1], wanted)
    return functional.cross_entropy(logits.float(), tokens[:, 1:][wanted])


def train(encoded: list[Encoded], folder: Path, plan: Plan, before: Path | None = None) -> Path:
    """Train a phase, or go on from its last checkpoint in the folder; return its checkpoint.

    A phase begins where the checkpoint ``before`` ends, or at nothing.

    Two processes with one thread each share a batch and meet once a step, which keeps up its pace
    on a busy machine better than two threads that meet at every operation.
    """
    rows = rows_of(encoded)
    (folder / "meeting").unlink(missing_ok=True)
    workers = [
        multiprocessing.get_context("fork").Process(
            target=_work, args=(rank, rows, folder, plan, before)
        )
        for rank in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError(f"training stopped; run it again to go on from {folder}")
    return checkpoint(folder, plan)


def checkpoint(folder: Path, plan: Plan) -> Path:
    """Return where the checkpoints of a phase are."""
    return folder / f"{plan.name}.pt"


def steps_of(path: Path) -> int:
    """Return how many steps lie behind a checkpoint."""
    return int(torch.load(path, weights_only=True)["step"])


def load(path: Path) -> Network:
    """Return the network of a checkpoint."""
    network = Network(POCKET)
    restore(path, network, [])
    return network


def _work(rank: int, rows: list[Rows], folder: Path, plan: Plan, before: Path | None) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORKERS)
    network = Network(POCKET)
    chosen = optimisers(network, plan)
    saved = checkpoint(folder, plan)
    first = restore(saved, network, chosen)
    if before is not None and not saved.exists():
        restore(before, network, chosen)
    started = time.monotonic()
    for step, batch in enumerate(schedule(rows, plan)):
        if step < first:
            continue
        loss = advance(network, chosen, part_of(batch, rank), step, plan)
        if rank == 0 and step % 25 == 0:
            pace = (step + 1 - first) * plan.batch_tokens / (time.monotonic() - started)
            print(f"step {step} loss {loss:.4f} {pace:.0f} tokens/s", flush=True)
        if rank == 0 and ((step + 1) % plan.save_every == 0 or step + 1 == plan.steps):
            save(saved, network, chosen, step + 1)
    distributed.destroy_process_group()


def part_of(batch: Rows, rank: int) -> Rows:
    """Return the rows of the batch that this process works on."""
    pick = slice(rank, None, WORKERS)
    return Rows(batch.tokens[pick], batch.documents[pick], batch.wanted[pick])


def share_gradients(network: Network) -> None:
    """Give every process the mean of all gradients."""
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient) / WORKERS)
        at += gradient.numel()


def advance(
    network: Network, chosen: list[torch.optim.Optimizer], batch: Rows, step: int, plan: Plan
) -> float:
    """Take one step and return its loss."""
    for optimiser, full in zip(chosen, (plan.matrix_rate, plan.rate), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = full * share(step, plan)
        optimiser.zero_grad(set_to_none=True)
    loss = loss_of(network, batch, bf16=plan.bf16)
    loss.backward()  # type: ignore[no-untyped-call]
    share_gradients(network)
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimiser in chosen:
        optimiser.step()
    return loss.item()


def save(path: Path, network: Network, chosen: list[torch.optim.Optimizer], step: int) -> None:
    """Write a checkpoint; the old one stays whole until the new one is."""
    state = {"network": network.state_dict(), "step": step,
             "optimisers": [optimiser.state_dict() for optimiser in chosen]}  # fmt: skip
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def restore(path: Path, network: Network, chosen: list[torch.optim.Optimizer]) -> int:
    """Load the checkpoint if there is one; return the step to go on with."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    for optimiser, saved in zip(chosen, state["optimisers"], strict=False):
        optimiser.load_state_dict(saved)
    return int(state["step"])
