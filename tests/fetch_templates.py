"""Fetch the chat templates of well-known models, which llama-cpp-python's sources bring along.

    python tests/fetch_templates.py --into .build/templates

They are for `tests/core/test_real_templates.py`. Done before, for the release that is installed, it
does nothing. Where the sources cannot be had it says so, and the tests say that they are skipped.
"""  # a script beside the tests

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "llama-cpp-python"
INSIDE = "/vendor/llama.cpp/models/templates/"


def main() -> None:
    """Fetch what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, required=True, help="folder for the templates")
    into = parser.parse_args().into
    release = importlib.metadata.version(PACKAGE)
    if (into / release).is_dir():
        return
    say(f"chat templates: getting the sources of {PACKAGE} {release} (75 MB)")
    with tempfile.TemporaryDirectory() as folder:
        if fault := download(release, Path(folder)):
            say(f"chat templates: not to be had, so that some tests are skipped: {fault}")
            return
        found = unpack(next(Path(folder).glob("*.tar.gz")), Path(folder) / "templates")
        into.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(folder) / "templates", into / release)
    say(f"chat templates: {found} are in {into / release}")


def download(release: str, folder: Path) -> str | None:
    """Download the sources; return the last line of what is wrong, if anything is."""
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
        *("--no-deps", "--no-binary", PACKAGE, "--dest", str(folder), f"{PACKAGE}=={release}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]


def unpack(archive: Path, target: Path) -> int:
    """Take the templates, and nothing else, out of an archive; return how many there are."""
    target.mkdir()
    count = 0
    with tarfile.open(archive) as sources:
        for member in sources:
            name = Path(member.name).name
            if INSIDE in member.name and name.endswith(".jinja") and member.isfile():
                data = sources.extractfile(member)
                assert data is not None
                (target / name).write_bytes(data.read())
                count += 1
    return count


def say(text: str) -> None:
    """Tell the user, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
