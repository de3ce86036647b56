"""What many requests over HTTP leave behind: python -m benchmarks.http_requests 1000 10000."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path

from benchmarks.clients import CLIENTS, Client, many
from benchmarks.memory import resident
from benchmarks.mock import MockServer


async def main(url: str, counts: list[int]) -> None:
    """Make requests with one model, and look around whenever so many were made."""
    found = {}
    async with CLIENTS["penstock"](url) as client:
        made = 0
        for count in sorted(counts):
            await many(client, count - made)
            made = count
            found[str(count)] = await look(client)
    print(json.dumps(found, indent=1))


async def look(client: Client) -> dict[str, float]:
    """Return MiB, open files, threads and tasks, with nothing under way."""
    await many(client, 1)
    return {
        "MiB": round(resident(), 1),
        "files": _files(),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    with MockServer() as server:
        asyncio.run(main(server.url, [int(count) for count in sys.argv[1:]]))
