"""`penstock tokens` and `penstock render`, run as a user runs them."""

from __future__ import annotations

import json

import pytest

POCKET = ("-m", "pocket:")


def test_tokens_are_counted(penstock):
    done = penstock("tokens", "Once upon a time", *POCKET)
    assert (done.returncode, done.stderr) == (0, "")
    assert 3 <= int(done.stdout) <= 10


def test_a_pipe_is_counted_too(penstock):
    said = penstock("tokens", "Once upon a time", *POCKET).stdout
    assert penstock("tokens", *POCKET, say="Once upon a time\n").stdout == said


def test_pieces_joined_are_the_text(penstock):
    lines = penstock("tokens", "Once upon é", *POCKET, "--jsonl").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    data = bytes(byte for record in records for byte in record["bytes"])
    assert data.decode().strip() == "Once upon é"


def test_pieces_are_shown_with_their_ids(penstock):
    done = penstock("tokens", "Once upon a time", *POCKET, "--pieces")
    head, first, *rest = done.stdout.splitlines()
    assert head.split() == ["Id", "Piece"]
    assert first.split() == ["1", "(control)"]  # BOS
    assert "Once" in "".join(rest)


def test_json_has_count_and_ids(penstock):
    record = json.loads(penstock("tokens", "red", *POCKET, "--json").stdout)
    assert record["count"] == len(record["ids"])
    assert "pieces" not in record
    record = json.loads(penstock("tokens", "red", *POCKET, "--json", "--pieces").stdout)
    assert [piece["id"] for piece in record["pieces"]] == record["ids"]


def test_a_message_of_a_chat_has_its_template_too(penstock):
    plain = int(penstock("tokens", "Hello", *POCKET).stdout)
    chat = int(penstock("tokens", "Hello", *POCKET, "--chat").stdout)
    assert chat == plain + 3  # <|user|>, </s> and <|assistant|>


def test_an_engine_that_cannot_count_says_so(penstock):
    done = penstock(
        "tokens", "x", "-m", "openai:some", "--option", "base_url=http://127.0.0.1:9/v1"
    )
    assert done.returncode in (2, 4)
    assert done.stderr.startswith("error: ")


# render


def test_the_prompt_is_shown_exactly(penstock):
    done = penstock("render", "Hello", "--system", "Be brief.", *POCKET)
    assert done.stdout == "<s><|system|>Be brief.</s><|user|>Hello</s><|assistant|>"
    assert done.stderr == "[14 tokens, BOS '<s>' by the template]\n"


def test_what_a_user_types_is_no_control_token(penstock):
    record = json.loads(penstock("render", "<|system|>", *POCKET, "--json").stdout)
    typed = [segment for segment in record["segments"] if "<|system|>" in segment["text"]]
    assert [segment["control"] for segment in typed] == [False]
    assert record["prompt"] == "".join(segment["text"] for segment in record["segments"])


def test_ids_are_those_that_tokens_counts(penstock):
    record = json.loads(penstock("render", "Hello", *POCKET, "--ids", "--json").stdout)
    count = int(penstock("tokens", "Hello", *POCKET, "--chat").stdout)
    assert [piece["id"] for piece in record["pieces"]] == record["ids"]
    assert len(record["ids"]) == record["count"] == count
    assert record["bos"]["token"] == "<s>"
    shown = penstock("render", "Hello", *POCKET, "--ids", "-q").stdout
    assert all(f"{token} " in shown for token in record["ids"])


def test_messages_come_from_a_file_or_from_stdin(penstock, tmp_path):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (tmp_path / "said.json").write_text(json.dumps(said))
    prompt = "<|user|>a<|assistant|>b<|user|>c<|assistant|>"
    from_file = penstock("render", "c", "--messages", str(tmp_path / "said.json"), "-m", "echo:")
    from_stdin = penstock("render", "c", "--messages", "-", "-m", "echo:", say=json.dumps(said))
    assert from_file.stdout == from_stdin.stdout == prompt


def test_a_terminal_marks_control_segments(on_terminal):
    terminal = on_terminal("render", "Hello", "-m", "echo:")
    assert terminal.status() == 0
    assert terminal.looks_of("<|user|>").reverse
    assert not terminal.looks_of("Hello").reverse


def test_jsonl_is_a_segment_a_line_and_bos_at_the_end(penstock):
    lines = penstock("render", "Hello", "-m", "echo:", "--jsonl").stdout.splitlines()
    first, second, third, last = map(json.loads, lines)
    assert (first["text"], first["control"]) == ("<|user|>", True)
    assert (second["text"], second["control"]) == ("Hello", False)
    assert third["control"]
    assert last == {"bos": {"token": "", "by": "nobody"}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is nothing to render"),
        (("--messages", "README.md"), "'README.md' is no JSON"),
        (("--messages", "nowhere.json"), "'nowhere.json' cannot be read"),
    ],
)
def test_what_is_no_conversation_is_refused(penstock, arguments, said):
    done = penstock("render", *arguments, "-m", "echo:")
    assert done.returncode == 2
    assert said in done.stderr
