"""Wrong files, and all that is said of each: the place, the key, the value, and what to do."""

# ruff: noqa: E501  # a message is one line

from __future__ import annotations

# Two models that are right, so that what follows them is all that is wrong.
LOCAL = """\
[models.local]
backend = "llamacpp"
source = "pocket:"
"""
CLOUD = """\
[models.cloud]
backend = "openai"
model = "some-model"
"""

CASES: dict[str, tuple[str, list[str]]] = {
    "no equals sign": (
        ('default = "local"\nmodels local\n'),
        [
            "penstock.toml:2: is no TOML: Expected '=' after a key in a key/value pair",
        ],
    ),
    "an open string": (
        'default = "local\n',
        [
            "penstock.toml:1: is no TOML: Illegal character '\\n'",
        ],
    ),
    "an open table": (
        "[models.local\n",
        [
            "penstock.toml:1: is no TOML: Expected ']' at the end of a table declaration",
        ],
    ),
    "a key twice": (
        LOCAL + 'source = "x"\n',
        [
            "penstock.toml:4: is no TOML: Cannot overwrite a value",
        ],
    ),
    "a table twice": (
        LOCAL + '[models.local]\nbackend = "llamacpp"\nsource = "pocket:"\n',
        [
            "penstock.toml:4: is no TOML: Cannot declare ('models', 'local') twice",
        ],
    ),
    "an open array": (
        ('default = "x"\n[models.a]\naliases = ["b",\n'),
        [
            "penstock.toml:4: is no TOML: Invalid value",
        ],
    ),
    "a value that is none": (
        "default = local\n",
        [
            "penstock.toml:1: is no TOML: Invalid value (a text is written in quotes)",
        ],
    ),
    "unknown key at the top": (
        'defualt = "local"\n',
        [
            "penstock.toml:1: defualt = \"local\": unknown key (did you mean 'default'?)",
        ],
    ),
    "unknown table": (
        ('[modles.local]\nsource = "pocket:"\n'),
        [
            "penstock.toml:1: modles = {…}: unknown key (did you mean 'models'?)",
        ],
    ),
    "unknown key like nothing": (
        "zzz = 1\n",
        [
            "penstock.toml:1: zzz = 1: unknown key (allowed: default, models, presets, sampling, deadlines, unsupported)",
        ],
    ),
    "models is no table": (
        'models = "local"\n',
        [
            'penstock.toml:1: models = "local": must be a table',
        ],
    ),
    "a model is no table": (
        ('[models]\nlocal = "pocket:"\n'),
        [
            'penstock.toml:2: models.local = "pocket:": must be a table (such as { source = "hf:owner/repo" })',
        ],
    ),
    "models is an array": (
        ('[[models]]\nname = "local"\n'),
        [
            'penstock.toml:1: models = [{ name = "local" }]: must be a table',
        ],
    ),
    "default is a number": (
        "default = 1\n",
        [
            "penstock.toml:1: default = 1: must be a text",
        ],
    ),
    "default is empty": (
        'default = ""\n',
        [
            'penstock.toml:1: default = "": must not be empty',
        ],
    ),
    "default is unknown": (
        ('default = "loacl"\n[models.local]\nbackend = "llamacpp"\nsource = "pocket:"\n'),
        [
            "penstock.toml:1: default = \"loacl\": there is no such model (did you mean 'local'?)",
        ],
    ),
    "default is like nothing": (
        ('default = "zzz"\n[models.local]\nbackend = "llamacpp"\nsource = "pocket:"\n'),
        [
            'penstock.toml:1: default = "zzz": there is no such model (allowed: local)',
        ],
    ),
    "default of an unknown scheme": (
        'default = "pokcet:"\n',
        [
            "penstock.toml:1: default = \"pokcet:\": there is no backend or source named 'pokcet' (did you mean 'pocket'? Sources here: file, hf, http, https, ollama, pocket. Backends here: ctransformers, echo, echo-batching, echo-blocking, llamacpp, openai)",
        ],
    ),
    "a policy that there is not": (
        'unsupported = "ignore"\n',
        [
            "penstock.toml:1: unsupported = \"ignore\": must be one of 'error', 'warn', 'drop'",
        ],
    ),
    "a policy of a model that is no text": (
        LOCAL + "unsupported = true\n",
        [
            "penstock.toml:4: models.local.unsupported = true: must be one of 'error', 'warn', 'drop'",
        ],
    ),
    "unknown backend": (
        ('[models.local]\nbackend = "lamacpp"\nsource = "pocket:"\n'),
        [
            "penstock.toml:2: models.local.backend = \"lamacpp\": there is no such backend here (did you mean 'llamacpp'?)",
        ],
    ),
    "unknown backend like nothing": (
        ('[models.local]\nbackend = "zzz"\nsource = "pocket:"\n'),
        [
            'penstock.toml:2: models.local.backend = "zzz": there is no such backend here (allowed: ctransformers, echo, echo-batching, echo-blocking, llamacpp, openai)',
        ],
    ),
    "backend is no text": (
        ('[models.local]\nbackend = 1\nsource = "pocket:"\n'),
        [
            "penstock.toml:2: models.local.backend = 1: must be a text",
        ],
    ),
    "backend is empty": (
        ('[models.local]\nbackend = ""\n'),
        [
            'penstock.toml:2: models.local.backend = "": must not be empty',
        ],
    ),
    "no source": (
        ('[models.local]\nbackend = "llamacpp"\n'),
        [
            'penstock.toml:1: models.local: has no source (such as source = "hf:owner/repo")',
        ],
    ),
    "nothing at all": (
        "[models.local]\n",
        [
            'penstock.toml:1: models.local: has no source (such as source = "hf:owner/repo")',
        ],
    ),
    "source is no text": (
        ('[models.local]\nsource = ["pocket:"]\n'),
        [
            'penstock.toml:2: models.local.source = ["pocket:"]: must be a text',
        ],
    ),
    "source of unknown scheme": (
        ('[models.local]\nsource = "hff:owner/repo"\n'),
        [
            "penstock.toml:2: models.local.source = \"hff:owner/repo\": there is no backend or source named 'hff' (did you mean 'hf'? Sources here: file, hf, http, https, ollama, pocket. Backends here: ctransformers, echo, echo-batching, echo-blocking, llamacpp, openai)",
        ],
    ),
    "source names backend too": (
        ('[models.local]\nbackend = "llamacpp"\nsource = "ctransformers:pocket:"\n'),
        [
            "penstock.toml:3: models.local.source = \"ctransformers:pocket:\": names a backend too (leave it out here, or leave 'backend' out)",
        ],
    ),
    "model for backend that reads files": (
        ('[models.local]\nbackend = "llamacpp"\nmodel = "pocket:"\n'),
        [
            "penstock.toml:3: models.local.model = \"pocket:\": llamacpp reads files (did you mean 'source'?)",
        ],
    ),
    "source and model": (
        CLOUD + 'source = "other"\n',
        [
            'penstock.toml:4: models.cloud.source = "other": is set twice (as models.cloud.model too, at penstock.toml:3)',
        ],
    ),
    "device is a number": (
        LOCAL + "device = 1\n",
        [
            "penstock.toml:4: models.local.device = 1: must be a text",
        ],
    ),
    "unknown key of a model": (
        LOCAL + 'devcie = "cpu"\n',
        [
            "penstock.toml:4: models.local.devcie = \"cpu\": unknown key (did you mean 'device'?)",
        ],
    ),
    "unknown option beside": (
        LOCAL + "n_cxt = 512\n",
        [
            "penstock.toml:4: models.local.n_cxt = 512: unknown key (did you mean 'n_ctx'?)",
        ],
    ),
    "unknown option": (
        LOCAL + "options = { n_cxt = 512 }\n",
        [
            "penstock.toml:4: models.local.options.n_cxt = 512: llamacpp has no such option (did you mean 'n_ctx'?)",
        ],
    ),
    "unknown option like nothing": (
        CLOUD + "options = { zzz = 1 }\n",
        [
            "penstock.toml:4: models.cloud.options.zzz = 1: openai has no such option (allowed: base_url, api_key, auth_header, organization, project, headers, query, flavor, context_length, stream, parallel, retries, retry_wait, connect_timeout, read_timeout, proxy, ca_file, allow_incomplete, cache_prompt, id_slot, return_progress, chat_template_kwargs, reasoning_effort)",
        ],
    ),
    "option in place of a key": (
        LOCAL + 'options = { device = "cpu" }\n',
        [
            'penstock.toml:4: models.local.options.device = "cpu": llamacpp has no such option (allowed: n_ctx, n_ctx_limit, n_batch, n_ubatch, flash_attn, type_k, type_v, swa_full, offload_kqv, op_offload, parallel, n_cells, queue_limit, prompt_stretch, prompt_aside, reuse_prefix, cache_bytes, n_threads, n_threads_batch, n_gpu_layers, split_mode, main_gpu, tensor_split, use_mmap, use_mlock, check_tensors, lora, rope_scaling, rope_freq_base, rope_freq_scale, yarn_ext_factor, yarn_attn_factor, yarn_beta_fast, yarn_beta_slow, yarn_orig_ctx, pooling)',
        ],
    ),
    "option twice": (
        LOCAL + "n_ctx = 512\noptions = { n_ctx = 1024 }\n",
        [
            "penstock.toml:5: models.local.options.n_ctx = 1024: is set twice (as models.local.n_ctx too, at penstock.toml:4)",
        ],
    ),
    "option of wrong type": (
        LOCAL + 'n_ctx = "8192"\n',
        [
            'penstock.toml:4: models.local.n_ctx = "8192": must be a whole number of tokens, of 0 or more',
        ],
    ),
    "option out of range": (
        LOCAL + "options = { parallel = 0, n_ctx = -1 }\n",
        [
            "penstock.toml:4: models.local.options.parallel = 0: must be a whole number from 1 to 64",
            "penstock.toml:4: models.local.options.n_ctx = -1: must be a whole number of tokens, of 0 or more",
        ],
    ),
    "option not among": (
        LOCAL + '\n[models.local.options]\ntype_k = "q9_9"\n',
        [
            "penstock.toml:6: models.local.options.type_k = \"q9_9\": must be one of 'f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl'",
        ],
    ),
    "options that exclude each other": (
        LOCAL + 'flash_attn = false\ntype_v = "q8_0"\n',
        [
            "penstock.toml:1: models.local: the llamacpp option type_v is 'q8_0', and flash_attn is False (quantised values need flash attention: take type_v='f16', or allow it)",
        ],
    ),
    "option is date": (
        LOCAL + "n_ctx = 1979-05-27\n",
        [
            "penstock.toml:4: models.local.n_ctx = 1979-05-27: must be a text, a number, true or false",
        ],
    ),
    "option is nested": (
        LOCAL + "tensor_split = [[1, 2], [3]]\n",
        [
            "penstock.toml:4: models.local.tensor_split = [[1, 2], [3]]: must be an array of texts or numbers",
        ],
    ),
    "options no table": (
        LOCAL + "options = 3\n",
        [
            "penstock.toml:4: models.local.options = 3: must be a table",
        ],
    ),
    "an address without its scheme": (
        CLOUD + 'base_url = "llm.example.com"\n',
        [
            "penstock.toml:4: models.cloud.base_url = \"llm.example.com\": must be a URL such as 'http://127.0.0.1:8000/v1'",
        ],
    ),
    "seconds in words, where the backend wants a number": (
        CLOUD + 'connect_timeout = "10s"\n',
        [
            'penstock.toml:4: models.cloud.connect_timeout = "10s": must be a number of seconds above 0',
        ],
    ),
    "option of no backend": (
        ('[models.local]\nsource = "hf:owner/repo"\nn_cxt = 1\n'),
        [
            "penstock.toml:3: models.local.n_cxt = 1: unknown key (did you mean 'n_ctx'?)",
        ],
    ),
    "secret number": (
        CLOUD + "api_key = 12345678\n",
        [
            'penstock.toml:4: models.cloud.api_key = "***": must be a text of printable ASCII characters',
        ],
    ),
    "secret misspelt": (
        CLOUD + 'api_kye = "sk-very-secret"\n',
        [
            "penstock.toml:4: models.cloud.api_kye = \"***\": unknown key (did you mean 'api_key'?)",
        ],
    ),
    "a reference of an unknown kind": (
        CLOUD + 'api_key = { enviroment = "KEY" }\n',
        [
            'penstock.toml:4: models.cloud.api_key = {…}: must be { env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } or { command = ["PROGRAM", …] }',
        ],
    ),
    "a reference to two places": (
        CLOUD + 'api_key = { env = "KEY", file = "key" }\n',
        [
            'penstock.toml:4: models.cloud.api_key = {…}: must be { env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } or { command = ["PROGRAM", …] }',
        ],
    ),
    "a keyring without a user": (
        CLOUD + 'api_key = { keyring = "service" }\n',
        [
            'penstock.toml:4: models.cloud.api_key = {…}: must be { env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } or { command = ["PROGRAM", …] }',
        ],
    ),
    "a command that is no array": (
        CLOUD + 'api_key = { command = "pass show key" }\n',
        [
            'penstock.toml:4: models.cloud.api_key = {…}: must be { env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } or { command = ["PROGRAM", …] }',
        ],
    ),
    "a variable without a name": (
        CLOUD + 'api_key = { env = "" }\n',
        [
            'penstock.toml:4: models.cloud.api_key = {…}: must be { env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } or { command = ["PROGRAM", …] }',
        ],
    ),
    "a reference for what is no option": (
        ('[models.cloud]\nbackend = "openai"\nsource = { env = "MODEL" }\n'),
        [
            'penstock.toml:3: models.cloud.source = { env = "MODEL" }: must be a text',
        ],
    ),
    "a sampling option beside the backend": (
        LOCAL + "temperature = 0.7\n",
        [
            "penstock.toml:4: models.local.temperature = 0.7: unknown key (did you mean 'sampling.temperature'?)",
        ],
    ),
    "a sampling option among the backend's": (
        LOCAL + "options.max_tokens = 9\n",
        [
            "penstock.toml:4: models.local.options.max_tokens = 9: llamacpp has no such option (did you mean 'sampling.max_tokens'?)",
        ],
    ),
    "a deadline beside the models": (
        "first_token = 9\n",
        [
            "penstock.toml:1: first_token = 9: unknown key (did you mean 'deadlines.first_token'?)",
        ],
    ),
    "a path without quotes": (
        "[models.local]\nsource = models/story.gguf\n",
        [
            "penstock.toml:2: is no TOML: Invalid value (a text is written in quotes)",
        ],
    ),
    "a temperature below zero": (
        LOCAL + "sampling = { temperature = -0.5 }\n",
        [
            "penstock.toml:4: models.local.sampling.temperature = -0.5: must be 0 (greedy) or more",
        ],
    ),
    "a number in quotes": (
        LOCAL + '\n[models.local.sampling]\nmax_tokens = 512\ntop_p = "0.9"\n',
        [
            'penstock.toml:7: models.local.sampling.top_p = "0.9": must be above 0 and at most 1',
        ],
    ),
    "an unknown sampling option": (
        "sampling = { temprature = 0.7 }\n",
        [
            "penstock.toml:1: sampling.temprature = 0.7: unknown key (did you mean 'temperature'?)",
        ],
    ),
    "an unknown sampling option like none": (
        LOCAL + "sampling = { temp = 0.7 }\n",
        [
            "penstock.toml:4: models.local.sampling.temp = 0.7: unknown key (allowed: temperature, top_k, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty, seed, max_tokens, stop, include_stop, ignore_eos, typical_p, top_n_sigma, xtc_probability, xtc_threshold, dynatemp_range, dynatemp_exponent, mirostat, mirostat_tau, mirostat_eta, repeat_last_n, dry_multiplier, dry_base, dry_allowed_length, dry_penalty_last_n, dry_sequence_breakers, logit_bias, logprobs, schema, regex, choices, grammar, tools, tool_choice)",
        ],
    ),
    "an empty stop string": (
        'sampling = { stop = ["", "x"] }\n',
        [
            'penstock.toml:1: sampling.stop = ["", "x"]: must be strings that are not empty',
        ],
    ),
    "a seed below zero": (
        "sampling = { seed = -1 }\n",
        [
            "penstock.toml:1: sampling.seed = -1: must be from 0 to 2**32 - 2",
        ],
    ),
    "two constraints at once": (
        LOCAL + 'sampling = { regex = "a+", choices = ["a", "b"] }\n',
        [
            'penstock.toml:4: models.local.sampling.choices = ["a", "b"]: regex and choices are both set (an answer can follow one of them)',
        ],
    ),
    "a schema that is none": (
        LOCAL + "sampling = { schema = 3 }\n",
        [
            "penstock.toml:4: models.local.sampling.schema = 3: must be a table, or the text of a JSON object",
        ],
    ),
    "sampling that is no table": (
        'sampling = "greedy"\n',
        [
            'penstock.toml:1: sampling = "greedy": must be a table',
        ],
    ),
    "a bias of a word": (
        "sampling = { logit_bias = { hello = 1.0 } }\n",
        [
            "penstock.toml:1: sampling.logit_bias = {…}: must be a mapping from token ids to numbers, -inf to ban a token",
        ],
    ),
    "a deadline in an unknown unit": (
        LOCAL + 'deadlines = { first_token = "30 fortnights" }\n',
        [
            'penstock.toml:4: models.local.deadlines.first_token = "30 fortnights": must be a number of seconds, or a text such as "30s", "2m", "500ms" or "1h"',
        ],
    ),
    "a deadline below zero": (
        "deadlines = { total = -1 }\n",
        [
            'penstock.toml:1: deadlines.total = -1: must be a number of seconds, or a text such as "30s", "2m", "500ms" or "1h"',
        ],
    ),
    "an unknown deadline": (
        LOCAL + 'deadlines = { first = "30s" }\n',
        [
            "penstock.toml:4: models.local.deadlines.first = \"30s\": unknown key (did you mean 'first_token'?)",
        ],
    ),
    "a deadline that is a flag": (
        "deadlines = { idle = true }\n",
        [
            'penstock.toml:1: deadlines.idle = true: must be a number of seconds, or a text such as "30s", "2m", "500ms" or "1h"',
        ],
    ),
    "deadlines that are no table": (
        'deadlines = "30s"\n',
        [
            'penstock.toml:1: deadlines = "30s": must be a table',
        ],
    ),
    "extends nobody": (
        LOCAL + '\n[models.big]\nextends = "lokal"\n',
        [
            "penstock.toml:6: models.big.extends = \"lokal\": there is no such model (did you mean 'local'?)",
        ],
    ),
    "extends itself": (
        ('[models.a]\nextends = "a"\nsource = "pocket:"\n'),
        [
            'penstock.toml:2: models.a.extends = "a": extends itself: a → a',
        ],
    ),
    "extends in a circle": (
        ('[models.a]\nextends = "b"\n\n[models.b]\nextends = "c"\n\n[models.c]\nextends = "a"\n'),
        [
            'penstock.toml:8: models.c.extends = "a": extends itself: a → b → c → a',
        ],
    ),
    "extends two": (
        LOCAL + 'extends = ["a", "b"]\n',
        [
            'penstock.toml:4: models.local.extends = ["a", "b"]: must be a text',
        ],
    ),
    "an inherited option": (
        LOCAL + "n_ctx = 512\n"
        "\n"
        "[models.remote]\n"
        'extends = "local"\n'
        'backend = "openai"\n'
        'model = "m"\n',
        [
            "penstock.toml:4: models.local.n_ctx = 512: openai, the backend of models.remote, has no such option (allowed: backend, source, device, options, sampling, deadlines, unsupported, extends, aliases, chat_template, sha256, base_url, api_key, auth_header, organization, project, headers, query, flavor, context_length, stream, parallel, retries, retry_wait, connect_timeout, read_timeout, proxy, ca_file, allow_incomplete, cache_prompt, id_slot, return_progress, chat_template_kwargs, reasoning_effort)",
        ],
    ),
    "alias of two": (
        LOCAL + 'aliases = ["x"]\n\n[models.other]\nsource = "pocket:"\naliases = ["x"]\n',
        [
            "penstock.toml:8: models.other.aliases = [\"x\"]: 'x' is an alias of models.local already",
        ],
    ),
    "alias is a name": (
        LOCAL + 'aliases = ["other"]\n\n[models.other]\nsource = "pocket:"\n',
        [
            "penstock.toml:4: models.local.aliases = [\"other\"]: 'other' is the name of models.other already",
        ],
    ),
    "alias is own": (
        LOCAL + 'aliases = ["local"]\n',
        [
            "penstock.toml:4: models.local.aliases = [\"local\"]: 'local' is the name of models.local already",
        ],
    ),
    "aliases text": (
        LOCAL + 'aliases = "l"\n',
        [
            'penstock.toml:4: models.local.aliases = "l": must be an array of texts',
        ],
    ),
    "alias with colon": (
        LOCAL + 'aliases = ["pocket:"]\n',
        [
            "penstock.toml:4: models.local.aliases = [\"pocket:\"]: 'pocket:' is no name (letters, digits and . _ + @ -)",
        ],
    ),
    "name with colon": (
        ('[models."hf:local"]\nsource = "pocket:"\n'),
        [
            "penstock.toml:1: models.\"hf:local\": 'hf:local' is no name (letters, digits and . _ + @ -)",
        ],
    ),
    "name is empty": (
        ('[models.""]\nsource = "pocket:"\n'),
        [
            "penstock.toml:1: models.\"\": '' is no name (letters, digits and . _ + @ -)",
        ],
    ),
    "preset clashes": (
        LOCAL + '\n[presets]\nlocal = "hf:owner/repo"\n',
        [
            "penstock.toml:6: presets.local = \"hf:owner/repo\": 'local' is what models.local is called already",
        ],
    ),
    "preset without target": (
        ('[presets]\nsmall = { summary = "1 GB" }\n'),
        [
            "penstock.toml:2: presets.small: has no target",
        ],
    ),
    "preset unknown key": (
        ('[presets]\nsmall = { target = "hf:owner/repo", sumary = "1 GB" }\n'),
        [
            "penstock.toml:2: presets.small.sumary = \"1 GB\": unknown key (did you mean 'summary'?)",
        ],
    ),
    "preset is number": (
        ("[presets]\nsmall = 1\n"),
        [
            "penstock.toml:2: presets.small = 1: must be a text, or a table with target and summary",
        ],
    ),
    "presets is array": (
        'presets = ["hf:owner/repo"]\n',
        [
            'penstock.toml:1: presets = ["hf:owner/repo"]: must be a table',
        ],
    ),
    "a preset with a dot in its name": (
        ('[presets]\nqwen3-0.6b = "pocket:"\n'),
        [
            'penstock.toml:2: presets.qwen3-0.6b = "pocket:": unknown key (a name with a dot is written in quotes: "qwen3-0.6b")',
        ],
    ),
    "a model with a dot in its name": (
        ('[models.qwen3-0.6b]\nsource = "pocket:"\n'),
        [
            'penstock.toml:1: models.qwen3-0.6b = {…}: unknown key (a name with a dot is written in quotes: "qwen3-0.6b")',
        ],
    ),
    "a hash that is none": (
        ('[models.a]\nsource = "https://example.com/a.gguf"\nsha256 = "abc"\n'),
        [
            'penstock.toml:3: models.a.sha256 = "abc": must be 64 hexadecimal digits',
        ],
    ),
    "a hash of what is not on the web": (
        LOCAL + 'sha256 = "0000000000000000000000000000000000000000000000000000000000000000"\n',
        [
            'penstock.toml:4: models.local.sha256 = "0000000000000000000000000000000000000000000000000000000000…: a hash is compared for sources on the web alone (https:…)',
        ],
    ),
    "a template that is no text": (
        LOCAL + "chat_template = false\n",
        [
            "penstock.toml:4: models.local.chat_template = false: must be a text",
        ],
    ),
    "a template that nobody knows": (
        LOCAL + 'chat_template = "chatmi"\n',
        [
            "penstock.toml:4: models.local.chat_template = \"chatmi\": there is no chat template 'chatmi'. Did you mean 'chatml'? Names are alpaca, chatml, deepseek, dolly, gemma, llama2, llama3, mistral, mistral-nemo, phi3, starchat, vicuna, zephyr; anything else must be Jinja",
        ],
    ),
    "several, of all kinds, in the order of lines": (
        (
            'defualt = "local"\n'
            "\n"
            "[models.local]\n"
            'backend = "llamacpp"\n'
            "source = 1\n"
            'sampling = { temperature = "hot", top_k = -1 }\n'
            "\n"
            "[models.cloud]\n"
            'backend = "opnai"\n'
        ),
        [
            "penstock.toml:1: defualt = \"local\": unknown key (did you mean 'default'?)",
            "penstock.toml:5: models.local.source = 1: must be a text",
            'penstock.toml:6: models.local.sampling.temperature = "hot": must be 0 (greedy) or more',
            "penstock.toml:6: models.local.sampling.top_k = -1: must be a whole number, 0 for all",
            "penstock.toml:9: models.cloud.backend = \"opnai\": there is no such backend here (did you mean 'openai'?)",
        ],
    ),
}
