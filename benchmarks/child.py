"""The child's side of a peer: orders come in as lines of JSON, moments go out.

Standard library only: children run in other environments. What they are held against must live in
another process: libgomp keeps a team for each thread that ever computed, and once there are more
threads in teams than CPUs, its barriers sleep instead of spinning. Two engines in one process run
at a third of their speed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence

Run = Callable[[Sequence[str], int, bool], list[list[float]]]
"""From prompts, tokens for each, and whether they are drawn, to the moments of each stream."""


def serve(open_with: Callable[[str], Run]) -> None:
    """Open with the settings in the first argument, then answer orders until there are no more."""
    # Libraries print; the orders' way out is a copy that they do not know.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = open_with(sys.argv[1])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        moments = run(order["prompts"], order["tokens"], order["drawn"])
        print(json.dumps(moments), file=answers, flush=True)
