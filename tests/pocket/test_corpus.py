"""The corpus is written by code: the same for a seed, and without the held-out prompts."""

from collections import Counter
from random import Random

import pytest
from recipe.corpus import mixture, names, smalltalk, stories, styles, tables
from recipe.corpus.example import Document, held_out, normalise

COUNT = 3000


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    general = mixture.training(20, COUNT)
    return [*general, *mixture.training(21, COUNT // 2, mixture.CAREFUL)]


@pytest.fixture(scope="module")
def suites() -> dict[str, list[Document]]:
    return mixture.tests(5, 60)


def test_a_seed_gives_one_corpus(corpus: list[Document]) -> None:
    assert list(mixture.training(20, 500)) == corpus[:500]


def test_another_seed_gives_another_corpus(corpus: list[Document]) -> None:
    assert list(mixture.training(21, 500)) != corpus[:500]


def test_tests_are_the_same_for_a_seed(suites: dict[str, list[Document]]) -> None:
    assert mixture.tests(5, 60) == suites


def test_every_family_is_in_the_corpus(corpus: list[Document]) -> None:
    found = Counter(document.family for document in corpus)
    wanted = {*mixture.families(), "stories", "asked-stories", "json", "name-recall", "fact-recall",
              "not-told", "system-name", "system-language", "inline-style",
              "long-chat"}  # fmt: skip
    wanted |= {f"system: {style.name}" for style in styles.STYLES}
    assert wanted <= set(found)


def test_roles_alternate_and_end_with_a_reply(corpus: list[Document]) -> None:
    for document in corpus:
        roles = [turn.role for turn in document.turns]
        if roles == ["story"]:
            continue
        talk = roles[1:] if roles[0] == "system" else roles
        assert talk == ["user", "assistant"] * (len(talk) // 2)
        assert all(turn.text.strip() for turn in document.turns)
        assert document.reply == document.reply.strip()


def test_no_held_out_question_is_in_the_corpus(
    corpus: list[Document], suites: dict[str, list[Document]]
) -> None:
    """A question that is tested alone is asked nowhere in the corpus, in no context."""
    asked = {normalise(turn.text) for document in corpus for turn in document.turns
             if turn.role == "user"}  # fmt: skip
    alone = (*dict.fromkeys(mixture.FACTUAL), "echo", "lists", "languages", "emoji", "unknown")
    held = {normalise(d.prompt[-1].text) for name in alone for d in suites[name]}
    held -= {"", "😊"}  # the one sign that is also a greeting
    assert len(held) > 200
    assert held & asked == set()


def test_no_held_out_name_is_told_in_the_corpus(
    corpus: list[Document], suites: dict[str, list[Document]]
) -> None:
    told = " ".join(turn.text.replace('"', " ") for document in corpus for turn in document.turns)
    words = {word.strip(".,!?'\"") for word in told.split()}
    held = {d.key.removeprefix("name:") for d in suites["name-recall"]}
    assert len(held) > 30
    assert held & words == set()


def test_the_split_is_a_small_share_of_the_keys() -> None:
    share = sum(held_out(str(number)) for number in range(5000)) / 5000
    assert 0.08 < share < 0.12


def test_names_keep_to_their_side() -> None:
    rng = Random(1)
    held = {names.person(rng, test=True) for _ in range(200)}
    trained = {names.person(rng) for _ in range(2000)}
    assert not held & trained


def test_every_row_of_a_table_is_taught() -> None:
    """A closed set holds out ways to ask, never a whole fact."""
    for table in tables.TABLES:
        for x, y in table.rows:
            keys = [table.fill(ask, x, y).key for ask in table.asks]
            assert not all(map(held_out, keys)), (table.family, x)


def test_usual_small_talk_is_always_taught() -> None:
    rng = Random(2)
    for talk in smalltalk.TALKS:
        drawn = [talk(rng) for _ in range(200)]
        assert all(not held_out(d.key) for d in drawn if d.ask in talk.asks[:5])


def test_a_story_has_a_hero_and_fills_all_slots() -> None:
    rng = Random(3)
    for _ in range(200):
        filled = stories.slots(rng)
        text = stories.tell(rng, filled)
        assert filled["name"] in text
        assert "{" not in text
        assert 40 < len(text.split()) < 200


def test_an_asked_story_is_about_its_subject() -> None:
    rng = Random(4)
    for _ in range(200):
        document = stories.asked(rng, test=True)
        assert document.key.split(":")[1] in document.reply


def test_styles_change_the_answer() -> None:
    found = tables.COLOURS.fill("What colour is {x}?", "snow", "white")
    shown = {style.name: style.rule(found) for style in (*styles.STYLES, styles.PLAIN)}
    assert shown == {
        "plain": "Snow is white.",
        "one-word": "White.",
        "brief": "White.",
        "capitals": "SNOW IS WHITE.",
        "pirate": "Arr! Snow is white, matey!",
        "robot": "Beep. Snow is white. Beep.",
        "cheerful": "Snow is white. 😊",
        "json-system": '{"answer": "White"}',
    }
