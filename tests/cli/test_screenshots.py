"""The pictures of the documentation show what the command really does."""

from __future__ import annotations

import pytest

from tests.cli.screenshots import FOLDER, SCENES, svg_of, text_of


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_shows_what_the_command_shows_today(name, tmp_path):
    terminal = SCENES[name](tmp_path)
    today = text_of(svg_of(terminal.screen))
    terminal.close()
    assert text_of((FOLDER / f"{name}.svg").read_text(encoding="utf-8")) == today
