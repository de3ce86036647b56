"""The JSON schema for editors says what `penstock config check` says, as far as types go."""

from __future__ import annotations

import json
import tomllib

import pytest
from jsonschema import Draft202012Validator
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.config.editors import DIALECT, json_schema

from .wrong import CLOUD, LOCAL

RIGHT = """
default = "local"
unsupported = "warn"
sampling = { temperature = 0.7, stop = ["END"], logit_bias = { 5 = -1.0 } }
deadlines = { total = "2m", idle = 10 }

[models.local]
backend = "llamacpp"
source = "pocket:"
device = "auto"
n_ctx = 8192
flash_attn = "auto"
options = { parallel = 4, lora = ["a.gguf=0.5"], tensor_split = [3, 1] }
sampling = { max_tokens = 512, schema = { type = "object" } }
aliases = ["l", "lokal"]

[models.legacy]
backend = "ctransformers"
source = "pocket:"
threads = 2
model_type = "gpt2"

[models.cloud]
backend = "openai"
model = "some-model"
base_url = { env = "URL" }
api_key = { command = ["pass", "show", "llm"] }
headers = ["X-Title: mine"]
retries = 3

[models.child]
extends = "cloud"
parallel = 8
api_key = "plain"

[models.web]
source = "https://example.com/a.gguf"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[presets]
small = "hf:owner/repo"
large = { target = "hf:owner/large", summary = "70 GB" }
"""


@pytest.fixture(scope="module")
def schema(registry):
    return json_schema(registry)


def is_valid(schema, text: str) -> bool:
    return Draft202012Validator(schema).is_valid(tomllib.loads(text))


def test_it_is_a_schema_of_its_dialect_and_json(schema):
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert json.loads(json.dumps(schema)) == schema


def test_a_file_that_check_takes_is_valid(schema, write, registry):
    write(RIGHT)
    assert Auditor(Config.discovered(), registry).problems() == []
    Draft202012Validator(schema).validate(tomllib.loads(RIGHT))


@pytest.mark.parametrize("text", ["", LOCAL, CLOUD, LOCAL + CLOUD])
def test_small_files_are_valid(text, schema):
    assert is_valid(schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "defualt = 'local'",
        "default = 1",
        "unsupported = 'ignore'",
        "sampling = { temprature = 0.7 }",
        "sampling = { temperature = 'hot' }",
        "deadlines = { idle = '30 fortnights' }",
        "deadlines = { idle = -1 }",
        "[models]\nlocal = 'pocket:'",
        LOCAL + "devcie = 'cpu'",
        LOCAL + "n_cxt = 512",
        LOCAL + "options = { n_cxt = 512 }",
        LOCAL + "n_ctx = '512'",
        LOCAL + "options = { use_mlock = 1 }",
        LOCAL + "base_url = 'https://example.com'",
        LOCAL + "sha256 = 'abc'",
        LOCAL + "aliases = 'l'",
        CLOUD + "api_key = 5",
        CLOUD + "api_key = { enviroment = 'KEY' }",
        CLOUD + "api_key = { env = 'A', file = 'b' }",
        "[models.a]\nbackend = 'lamacpp'",
        "[models.a]\nsource = 'x'\nno_backend_has_this = 1",
        "[presets]\nsmall = { summary = 'x' }",
        "[presets]\nsmall = 1",
    ],
)
def test_a_wrong_file_is_not(text, schema, write, look):
    write(text)
    assert look()
    assert not is_valid(schema, text)


def test_editors_can_show_what_options_mean_and_what_they_are_without(schema):
    entry = schema["$defs"]["Entry"]
    places = {
        one["if"]["properties"]["backend"]["const"]: one["then"] for one in entry["allOf"][:-1]
    }
    option = places["llamacpp"]["properties"]["n_batch"]
    assert option["description"] == "tokens llama.cpp accepts in one call"
    assert option["default"] == 2048
    assert "threads for one token" in places["llamacpp"]["properties"]["n_threads"]["description"]
    assert "api_key" in places["openai"]["properties"]["options"]["properties"]
    assert places["ctransformers"]["properties"]["threads"]
    assert entry["properties"]["extends"]["description"]
    sampling = schema["$defs"]["SamplingTable"]["properties"]
    assert sampling["temperature"]["description"].startswith("0 is greedy")
    assert all(option["description"] for option in sampling.values())
