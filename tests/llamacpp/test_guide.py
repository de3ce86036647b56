"""A guide lets through what satisfies its constraint, and nothing else."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from penstock.constraint import Constraint
from penstock.errors import EngineError, ModelClosed, UsageError
from penstock.guides import Guide, Guides
from penstock_llamacpp.devices import Choice
from penstock_llamacpp.library import load_library
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

from .bpe import ENDS, START, write_bpe
from .schemas import SCHEMAS, assert_valid

UNKNOWN, BEGIN, END = 0, 1, 2
JSON_IN_GBNF = r"""
# a JSON value, without fractions
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (pair ("," " "? pair)*)? "}"
pair   ::= string ":" value
array  ::= "[" (value ("," value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" ["\\/bfnrt])* "\""
number ::= "-"? ("0" | [1-9] [0-9]{0,5})
"""


@dataclass(frozen=True)
class Bench:
    """A vocabulary, its guides, and a random writer that obeys them."""

    weights: Weights
    vocabulary: Vocabulary
    guides: Guides

    def guide(self, kind: str, value: object, *, trims: bool = False) -> Guide:
        text = value if isinstance(value, str | tuple) else json.dumps(value)
        return self.guides.guide(Constraint(kind, text), trims=trims)

    def piece(self, token: int) -> bytes:
        return self.vocabulary.decode([token])

    def ids(self, text: str) -> list[int]:
        return self.vocabulary.continue_with(text)

    def allowed(self, guide: Guide) -> set[int]:
        logits = np.zeros(self.vocabulary.size, np.float32)
        return set(np.flatnonzero(np.isfinite(logits)).tolist()) if guide.mask(logits) else set()

    def accept(self, guide: Guide, text: str) -> None:
        for token in self.ids(text):
            guide.accept(token)

    def write(self, guide: Guide, seed: int, *, ahead: bool = False, trims: bool = False) -> str:
        """Return a random text: drawn from random logits, and by `ahead` what is forced unasked."""
        draw, data = np.random.default_rng(seed), b""
        for _ in range(5000):
            if guide.ended:
                break
            ids = guide.forced() if ahead else []
            for token in ids or [self.draw(guide, draw)]:
                assert guide.allows(token)
                guide.accept(token)
                piece = self.piece(token)
                data += piece.removeprefix(b" ") if trims else piece
                trims = False
        assert guide.ended
        assert guide.complete
        return data.decode()

    def draw(self, guide: Guide, draw: np.random.Generator) -> int:
        logits = draw.standard_normal(self.vocabulary.size, np.float32)
        assert guide.mask(logits)
        return int(np.argmax(logits))


def bench(path: Path) -> Iterator[Bench]:
    library, options = load_library(), LoadOptions()
    weights = Weights(library, path, options, choice=Choice(), keep_going=lambda _share: True)
    vocabulary = Vocabulary(weights)
    yield Bench(weights, vocabulary, Guides(vocabulary))
    weights.close()


@pytest.fixture(scope="module")
def spelled(tiny: Path) -> Iterator[Bench]:
    """A vocabulary of bytes, letters and a few words."""
    yield from bench(tiny)


@pytest.fixture(scope="module")
def merged(pocket: Path) -> Iterator[Bench]:
    """A vocabulary that was learnt from text: the pocket model's."""
    yield from bench(pocket)


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A vocabulary of merged bytes that adds no space, with two tokens that end a text."""
    yield from bench(write_bpe(tmp_path_factory.mktemp("bpe") / "bpe.gguf"))


@pytest.fixture(params=["spelled", "merged"])
def bench_(request: pytest.FixtureRequest) -> Bench:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("ahead", [False, True], ids=["sampled", "ahead"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_a_schema_lets_through_is_valid(bench_, name: str, ahead: bool) -> None:
    for seed in range(12):
        guide = bench_.guide("json_schema", SCHEMAS[name])
        assert_valid(SCHEMAS[name], bench_.write(guide, seed, ahead=ahead))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_space_that_the_vocabulary_adds_in_front_is_no_part_of_the_text(merged, name) -> None:
    for seed in range(4):
        guide = merged.guide("json_schema", SCHEMAS[name], trims=True)
        assert_valid(SCHEMAS[name], merged.write(guide, seed, trims=True))


def test_a_first_word_may_be_written_with_its_space(merged) -> None:
    choices = ("the sun", " the rain", "a")
    the = merged.ids(" the")[0]
    assert merged.piece(the) == b" the"
    trimming = merged.guide("choices", choices, trims=True)
    assert trimming.allows(the)
    assert the in merged.allowed(trimming)
    trimming.accept(the)
    assert trimming.forced() == merged.ids(" sun")[: len(trimming.forced())] != []
    plain = merged.guide("choices", choices)
    plain.accept(the)
    assert plain.forced() == merged.ids(" rain")[: len(plain.forced())] != []


def test_the_mask_knows_of_the_space_in_front_too(merged) -> None:
    (the,) = merged.ids(" the")
    assert the in merged.allowed(merged.guide("choices", ("the sun", "a"), trims=True))
    assert the not in merged.allowed(merged.guide("choices", ("the sun", "a")))
    assert the not in merged.allowed(merged.guide("choices", (" the sun", "a"), trims=True))
    only = merged.allowed(merged.guide("choices", ("the sun",), trims=True))
    assert {merged.piece(token) for token in only} == {b" the", b" "}


def test_a_space_of_its_own_before_the_first_word_is_dropped_once(merged) -> None:
    guide = merged.guide("choices", ("1",), trims=True)
    (space,) = merged.ids(" ")
    assert space in merged.allowed(guide)
    guide.accept(space)
    assert space not in merged.allowed(guide)
    assert {merged.piece(token) for token in merged.allowed(guide)} == {b"1"}


@pytest.mark.parametrize("trims", [False, True])
def test_trimmed_or_not_all_choices_and_only_they_come_out(merged, trims) -> None:
    choices = ("yes", "no", "not now", "你好")
    texts = [
        merged.write(merged.guide("choices", choices, trims=trims), seed, trims=trims)
        for seed in range(60)
    ]
    assert set(texts) == set(choices)


@pytest.mark.parametrize("name", ["object", "optional", "unicode enum", "any of", "number range"])
def test_one_token_is_judged_as_the_mask_judges_all(bench_, name: str) -> None:
    draw = np.random.default_rng(5)
    for trims in (False, True):
        guide = bench_.guide("json_schema", SCHEMAS[name], trims=trims)
        at_start = trims
        while not guide.ended:
            masked = bench_.allowed(guide)
            judged = {token for token in range(bench_.vocabulary.size) if guide.allows(token)}
            assert masked <= judged
            # Where the text is forced, the mask leaves one token (and the space in front).
            assert masked == judged or guide.forced()[:1] == [*masked] or at_start
            guide.accept(bench_.draw(guide, draw))
            at_start = False


@pytest.mark.parametrize(
    "regex",
    [
        "[a-f0-9]{4,9}",
        "(yes|no)( and (yes|no)){0,3}",
        r"\d{3}-\d{2}",
        r"[α-ω]{2,6}!",
        r"(a|ab)(c|bcd)?",
        r"^anchored|at the ends$",
        r"[\$\^\.]{1,3}\$",
        "(?s:.){0,12}",
    ],
)
@pytest.mark.parametrize("ahead", [False, True], ids=["sampled", "ahead"])
def test_what_a_regex_lets_through_matches(bench_, regex: str, ahead: bool) -> None:
    for seed in range(12):
        text = bench_.write(bench_.guide("regex", regex), seed, ahead=ahead)
        assert re.fullmatch(regex, text)


def test_choices_may_be_parts_of_others_and_hold_any_character(bench_) -> None:
    choices = ("a", "ab", "abc", "a.c", "(", "\\d", '"', "\n", "\0", "é🎏", "<s>", "x|y", "[")
    texts = {bench_.write(bench_.guide("choices", choices), seed) for seed in range(300)}
    assert texts <= set(choices)
    assert len(texts) > 8
    for choice in choices:
        guide = bench_.guide("choices", choices)
        bench_.accept(guide, choice)
        assert guide.complete


def test_a_grammar_may_be_in_lark(bench_) -> None:
    lark = 'start: item ("," item)~0..3\nitem: "x" /[0-9]{1,2}/ | "(" start ")"'
    for seed in range(12):
        text = bench_.write(bench_.guide("grammar", lark), seed, ahead=bool(seed % 2))
        while re.search(r"\(x\d+(,x\d+)*\)", text):
            text = re.sub(r"\(x\d+(,x\d+)*\)", "x0", text)
        assert re.fullmatch(r"x\d{1,2}(,x\d{1,2}){0,3}", text)


def test_a_grammar_may_be_in_gbnf(bench_) -> None:
    for seed in range(20):
        text = bench_.write(bench_.guide("grammar", JSON_IN_GBNF), seed, ahead=bool(seed % 2))
        json.loads(text)


def test_gbnf_keeps_its_meaning(bench_) -> None:
    guide = bench_.guide("grammar", r'root ::= "\u00e9\x41" [\u03b1-\u03c9/.]{2} . "\"" # a . b')
    bench_.accept(guide, "éA.ω\n")
    assert not guide.complete
    bench_.accept(guide, '"')
    assert guide.ended


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("json_schema", {"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
        ("json_schema", {"type": "strnig"}, "strnig"),
        ("json_schema", {"not": {"type": "string"}}, "not"),
        ("json_schema", {"type": "string", "format": "iban"}, "iban"),
        ("json_schema", {"$ref": "#"}, "no text satisfies it"),
        ("json_schema", {"$ref": "http://127.0.0.1:9/x.json"}, "127.0.0.1"),
        ("json_schema", '{"enum": ["\\ud800"]}', "hex escape"),
        ("json_schema", '{"items":' * 9000 + "{}" + "}" * 9000, "recursion"),
        ("json_schema", {"enum": [f"value {at}" for at in range(100_000)]}, "too big"),
        ("regex", "(", "unclosed"),
        ("regex", r"(a)\1", "backref"),
        ("regex", "a(?=b)", "look-a"),
        ("regex", r"a[^\s\S]", "no text satisfies it"),
        ("regex", "\ud800", "surrogates"),
        ("regex", "(" * 100_000, "regex"),
        ("choices", ("a\udc00",), "regex"),
        ("grammar", "nonsense", ""),
        ("grammar", 'start: "a" other', "other"),
        ("grammar", "start: start", "no text satisfies it"),
        ("grammar", "start: " + "(" * 100_000 + '"a"' + ")" * 100_000, "nested"),
        ("grammar", 'root ::= "abc', "end of input"),
        ("grammar", 'root ::= "abc" missing', "missing"),
        ("grammar", "root ::= " + "(" * 50_000, ""),
        ("grammar", 'toot ::= "abc"', "root"),
    ],
)
def test_a_constraint_that_cannot_be_used_is_refused_with_the_reason(
    spelled, kind: str, value: object, reason: str
) -> None:
    with pytest.raises(UsageError, match="is not usable: ") as caught:
        spelled.guide(kind, value)
    assert reason in str(caught.value)
    assert caught.value.hint
    assert len(str(caught.value)) < 1000
    assert spelled.write(spelled.guide("choices", ("go on",)), 0) == "go on"


def test_a_text_ends_exactly_where_it_is_complete(bench_) -> None:
    guide = bench_.guide("regex", "ab?")
    assert not guide.complete
    assert not guide.allows(END)
    assert END not in bench_.allowed(guide)
    bench_.accept(guide, "a")
    assert guide.complete
    assert not guide.ended
    assert guide.allows(END)
    assert END in bench_.allowed(guide)
    guide.accept(END)
    assert guide.ended
    assert guide.complete
    assert not guide.allows(END)
    assert not guide.allows(bench_.ids("b")[0])
    assert bench_.allowed(guide) == set()
    assert guide.forced() == []


def test_a_vocabulary_of_merged_bytes_does_as_well(bytewise) -> None:
    for seed, schema in enumerate(SCHEMAS.values()):
        guide = bytewise.guide("json_schema", schema)
        assert_valid(schema, bytewise.write(guide, seed, ahead=bool(seed % 2)))
    text = ' {"the":"thé {}'
    forced = bytewise.guide("regex", re.escape(text)).forced()
    assert forced == bytewise.ids(text)[: len(forced)]
    assert len(forced) >= len(bytewise.ids(text)) - 2


def test_each_token_that_ends_a_text_may_end_an_answer(bytewise) -> None:
    names = {bytewise.vocabulary.name(at): at for at in range(bytewise.vocabulary.size)}
    ends = {names[end] for end in ENDS}
    assert set(bytewise.vocabulary.ends) == ends
    for end in ends:
        guide = bytewise.guide("regex", "(?s:.)*")
        assert bytewise.allowed(guide) & {*ends, names[START]} == ends
        assert names["<think>"] in bytewise.allowed(guide)  # it is text, if of one token
        assert guide.allows(end)
        guide.accept(end)
        assert guide.ended
        guide = bytewise.guide("regex", "a(?s:.)*")
        assert not bytewise.allowed(guide) & ends
        assert not guide.allows(end)


def test_where_nothing_may_follow_only_the_end_is_allowed(bench_) -> None:
    guide = bench_.guide("choices", ("ab",))
    bench_.accept(guide, "ab")
    assert guide.ended
    assert guide.complete
    assert bench_.allowed(guide) == {END}


def test_the_end_before_the_text_is_complete_is_an_error(bench_) -> None:
    guide = bench_.guide("choices", ("ab",))
    with pytest.raises(EngineError, match=f"token {END} "):
        guide.accept(END)


def test_a_token_that_is_not_allowed_is_an_error_that_names_it(bench_) -> None:
    (token,) = bench_.ids("z")
    with pytest.raises(EngineError, match=rf"token {token} \(b'z'\) cannot follow"):
        bench_.guide("choices", ("ab",)).accept(token)
    with pytest.raises(EngineError, match=f"token {token} "):
        bench_.guide("choices", ("ab",), trims=True).accept(token)


def test_control_tokens_are_no_text_whatever_a_grammar_says(bench_) -> None:
    anything = bench_.guide("regex", "(?s:.)*")
    allowed = bench_.allowed(anything)
    assert allowed & {UNKNOWN, BEGIN} == set()
    assert len(allowed) > 150
    guide = bench_.guide("grammar", f'start: "a" <[{BEGIN}]>')
    bench_.accept(guide, "a")
    assert guide.forced() == []
    assert not guide.allows(BEGIN)
    logits = np.ones(bench_.vocabulary.size, np.float32)
    assert not guide.mask(logits)
    assert logits.min() == 1


def test_a_constraint_that_grows_too_complex_is_an_error_and_the_next_one_works(spelled) -> None:
    (token,), steps = spelled.ids("a"), [0, 0]
    for attempt in range(2):
        guide = spelled.guide("regex", "((a{1,1000}){1,1000}){1,1000}")
        with pytest.raises(EngineError, match="too many"):
            while True:
                spelled.allowed(guide)
                guide.accept(token)
                steps[attempt] += 1
        assert not guide.ended
    assert steps[0] == steps[1] > 5


def test_forced_tokens_are_those_the_model_would_write(merged) -> None:
    text = "the opposite of hot is cold"
    guide = merged.guide("regex", text)
    forced = guide.forced()
    assert forced == merged.ids(text)[: len(forced)]
    assert len(forced) >= len(merged.ids(text)) - 2
    assert guide.forced() == forced


def test_nothing_is_forced_where_there_is_a_choice(bench_) -> None:
    assert bench_.guide("choices", ("yes", "no")).forced() == []


def test_an_endless_text_is_forced_in_parts(spelled) -> None:
    guide = spelled.guide("grammar", 'start: "a" more\nmore: "b" more')
    assert 0 < len(guide.forced()) <= 256


def test_a_guide_holds_for_thousands_of_tokens(bench_) -> None:
    schema = {"type": "array", "items": {"type": "boolean"}, "minItems": 500, "maxItems": 500}
    assert_valid(schema, bench_.write(bench_.guide("json_schema", schema), 1))


def test_json_has_no_more_white_space_than_a_space_behind_a_separator(bench_) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "array"}}
    for text in ("\n", " ", "{ ", "{\n", '{"a" ', '{"a":  ', '{"a": [1 ', '{"a": [1,  '):
        guide = bench_.guide("json_schema", schema)
        bench_.accept(guide, text[:-1])
        (space,) = bench_.ids(text[-1])
        assert not guide.allows(space)
    guide = bench_.guide("json_schema", schema)
    bench_.accept(guide, '{"a": [1, {"b":null}],"c": []}')
    assert guide.ended


def test_threads_share_what_is_compiled(merged) -> None:
    guides, texts = Guides(merged.vocabulary), []

    def write(seed: int) -> None:
        for name in ("person", "any of"):
            guide = guides.guide(Constraint("json_schema", json.dumps(SCHEMAS[name])))
            texts.append((name, merged.write(guide, seed)))

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 12
    for name, text in texts:
        assert_valid(SCHEMAS[name], text)


def test_more_constraints_than_are_kept_are_no_matter(spelled) -> None:
    for at in [*range(40), *range(40)]:
        assert spelled.write(spelled.guide("choices", (f"c{at}",)), at) == f"c{at}"


def test_a_closed_model_makes_no_guides(tiny: Path) -> None:
    opened = bench(tiny)
    closed = next(opened)
    closed.weights.close()
    with pytest.raises(ModelClosed):
        closed.guide("choices", ("a",))


def test_a_guide_outlives_its_model(tiny: Path) -> None:
    opened = bench(tiny)
    closed = next(opened)
    guide = closed.guide("choices", ("the end",))
    closed.weights.close()
    text = b"".join(closed.vocabulary.pieces[token] for token in guide.forced())
    assert text
    assert b"the end".startswith(text)
    assert guide.mask(np.zeros(closed.vocabulary.size, np.float32))
