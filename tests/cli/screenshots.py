"""Takes the pictures of the documentation: real sessions on a terminal, drawn as SVG.

`python -m tests.cli.screenshots` takes them again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

from tests.cli.conftest import COMMAND
from tests.cli.screen import Terminal

__all__ = ["SCENES", "svg_of", "text_of"]

FOLDER = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT, SIZE, EDGE = 8.4, 19, 14, 16
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
PAPER, INK = "#16181d", "#d8dee9"
COLOURS = {
    "black": "#3b4252", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#e5e9f0",
    "brightblack": "#7b8394", "brightred": "#ff7b86", "brightgreen": "#b5e890",
    "brightyellow": "#ffd88a", "brightblue": "#82c4ff", "brightmagenta": "#dd9bf2",
    "brightcyan": "#7fd8e4", "brightwhite": "#ffffff",
}  # fmt: skip


def chat(state: Path) -> Terminal:
    """A conversation with the pocket model."""
    terminal = Terminal("chat", "--temperature", "0", "-q", state=state, rows=36, columns=74)
    terminal.answer_to("My name is Ada.")
    terminal.answer_to("What is the capital of France?")
    terminal.answer_to("What is my name?")
    terminal.answer_to("/undo")
    terminal.answer_to("/model ctransformers:pocket:")
    terminal.answer_to("What is my name?")
    terminal.answer_to("/help")
    return terminal


def models(state: Path) -> Terminal:
    """What is on a machine that has only the pocket model, and some presets."""
    env = {"HF_HOME": str(state), "OLLAMA_MODELS": str(state), "XDG_CACHE_HOME": str(state)}
    env["PATH"] = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    script = (
        "echo '$ penstock models'; penstock models; echo;"
        "echo '$ penstock models --presets | head -9'; penstock models --presets | head -9"
    )
    terminal = Terminal(
        "--norc", "-c", script, program="bash", state=state, rows=24, columns=122, env=env
    )
    terminal.status()
    return terminal


SCENES: dict[str, Callable[[Path], Terminal]] = {"chat": chat, "models": models}


def svg_of(screen: pyte.Screen) -> str:
    """Draw what a screen shows."""
    used = max((row for row, line in enumerate(screen.display) if line.strip()), default=0) + 1
    width, height = screen.columns * WIDTH + 2 * EDGE, used * HEIGHT + 2 * EDGE
    rows = "".join(_row(screen, row) for row in range(used))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONT}" font-size="{SIZE}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>\n{rows}</svg>\n'
    )


def text_of(svg: str) -> list[str]:
    """Return the lines of text that a picture shows."""
    from xml.etree import ElementTree as ET

    rows = ET.fromstring(svg).findall("{*}text")
    return ["".join(row.itertext()).rstrip() for row in rows]


def _row(screen: pyte.Screen, row: int) -> str:
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    spans, at = [], 0
    for looks, group in groupby(cells, _looks):
        text = "".join(cell.data for cell in group)
        x = EDGE + at * WIDTH
        at += len(text)
        length = f'textLength="{len(text) * WIDTH:g}" lengthAdjust="spacingAndGlyphs"'
        spans.append(f'<tspan x="{x:g}" {length} {looks}>{escape(text)}</tspan>')
    y = EDGE + row * HEIGHT + SIZE
    return f'<text y="{y:g}" xml:space="preserve">{"".join(spans)}</text>\n'


def _looks(cell: pyte.screens.Char) -> str:
    looks = [f'fill="{COLOURS.get(cell.fg, INK)}"']
    looks += ['font-weight="bold"'] if cell.bold else []
    looks += ['font-style="italic"'] if cell.italics else []
    looks += ['text-decoration="underline"'] if cell.underscore else []
    return " ".join(looks)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        with tempfile.TemporaryDirectory() as state:
            terminal = scene(Path(state))
            (FOLDER / f"{name}.svg").write_text(svg_of(terminal.screen), encoding="utf-8")
            terminal.close()


if __name__ == "__main__":
    main()
