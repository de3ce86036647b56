"""A chat template is a program from anywhere: it may take only so long, and so much."""

from __future__ import annotations

import time

import pytest
from penstock.errors import InvalidModel, UsageError
from penstock.messages import Message
from penstock.templates import render, rendering

HI = [Message("user", "Hi")]


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(rendering, "MAX_RENDER_SECONDS", 0.2)


LOOPS = {
    "nested": "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "with a condition": "{% for a in range(9999) %}{% for b in range(9999) if b > a %}{% endfor %}"
    "{% endfor %}",
    "of loops": "{% for a in [9999] recursive %}{% for b in range(99999) %}{{ loop([1]) if false }}"
    "{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
    "of macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "of calls": "{% macro g(n) %}{{ caller() }}{{ caller() }}{% endmacro %}"
    "{% macro f(n) %}{% if n %}{% call g(n) %}{{ f(n - 1) }}{% endcall %}{% endif %}{% endmacro %}"
    "{{ f(20) }}",
    "of comparing": "{% set l = range(9999) | list %}{% for a in range(99999) %}"
    "{{ l == [a] * 9999 }}{% endfor %}",
    "of sorting": "{% for a in range(9999) %}{{ range(9999) | sort | first }}{% endfor %}",
    "of searching": "{% set t = 'a' * 1000000 %}{% for a in range(99999) %}"
    "{{ 'b' in t }}{% endfor %}",
}


@pytest.mark.parametrize("template", LOOPS.values(), ids=LOOPS)
def test_a_template_that_loops_for_long_is_stopped(soon, template):
    begun = time.thread_time()
    with pytest.raises(UsageError, match="template takes more than 0.2 s"):
        render(template, HI)
    assert time.thread_time() - begun < 2


def grown(step, end=""):
    """Return a template that takes a step 60 times, which doubles `n.t` or `n.u`."""
    start = "{% set n = namespace(t='abcd', u='abcd') %}{% for i in range(60) %}"
    return f"{start}{step}{{% endfor %}}{end}"


NEST = "{% set n.t = [n.t, n.t] %}{% set n.u = [n.u, n.u] %}"


@pytest.mark.parametrize(
    "template",
    [
        grown("{% set n.t = n.t + n.t %}"),
        grown("{% set n.t = n.t ~ n.t %}"),
        grown("{% set n.t = n.t | replace('a', n.t) %}"),
        grown("{% set n.t = n.t.replace('a', n.t) %}"),
        grown("{% set n.t = ([n.t] * 9) | join %}"),
        grown("{% set n.t = n.t.join('abcdef') %}"),
        grown("{% set n.t = '%s%s' % (n.t, n.t) %}"),
        grown("{% set n.t = '%s%s' | format(n.t, n.t) %}"),
        grown("{% set n.t = '{0}{0}'.format(n.t) %}"),
        grown("{% set x %}{{ n.t }}{{ n.t }}{% endset %}{% set n.t = x %}"),
        grown(NEST, "{{ n.t }}"),
        grown(NEST, "{{ n.t | tojson }}"),
        grown(NEST, "{{ n.t | string }}"),
        grown(NEST, "{{ '%s' % n.t }}"),
        grown(NEST, "{{ n.t == n.u }}"),
        grown(NEST, "{{ n.t is eq n.u }}"),
        grown(NEST, "{{ [n.t].count(n.u) }}"),
        grown(NEST, "{{ {'a': n.t}.items() }}"),
        grown(NEST, "{{ {'a': n.t}.values() == {'a': n.u}.values() }}{{ {'a': n.t}.values() }}"),
        grown(NEST, "{% for x in [n.t, n.u] %}{{ loop.changed(x) }}{% endfor %}"),
        grown(NEST, "{{ [n.t, n.u] | sort }}"),
        grown("{% set n.t = (n.t, n.t) %}"),
        "{% set l = ['a' * 1000000] * 1000 %}{{ l | join }}",
        "{{ ('\\n' * 1000000) | indent(1000) }}",
    ],
)
def test_texts_and_lists_cannot_fill_the_memory(template):
    with pytest.raises(UsageError, match="template (makes|looks at) more than"):
        render(template, HI)


@pytest.mark.parametrize(
    "template",
    [
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 1000000000) }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a'.zfill(1000000000) }}",
        "{{ 'a\t'.expandtabs(1000000000) }}",
        "{{ 'a\nb' | indent(1000000000) }}",
        "{{ [1] | tojson(indent=1000000000) }}",
        "{{ 1.5 | round(1000000000, 'ceil') }}",
        "{{ (1).to_bytes(1000000000) }}",
        "{{ 'a'.encode() }}",
        "{{ strftime_now('%1000000000d') }}",
        "{% set n = namespace(x=7) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% set n = namespace(x=7) %}{% for i in range(60) %}{% set n.x = n.x ** 64 %}{% endfor %}",
    ],
)
def test_widths_and_numbers_have_a_greatest_size(template):
    begun = time.thread_time()
    with pytest.raises(UsageError, match="refuses these messages"):
        render(template, HI)
    assert time.thread_time() - begun < 1


@pytest.mark.parametrize("name", ["center", "slice", "urlize", "random", "pprint", "wordwrap"])
def test_filters_that_no_chat_needs_are_not_there(name):
    with pytest.raises(InvalidModel, match=f"No filter named '{name}'"):
        render(f"{{{{ 'a' | {name}(3) }}}}", HI)


def test_a_template_itself_has_a_greatest_size():
    with pytest.raises(InvalidModel, match="1,000,001 characters"):
        render("x" * 1_000_001, HI)


def test_a_template_without_an_end_of_depth_is_a_fault_of_the_model():
    template = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
    with pytest.raises(InvalidModel, match="template fails: RecursionError"):
        render(template, HI)


def test_long_conversations_have_time_enough():
    template = (
        "{% set n = namespace(text='') %}{% for m in messages %}"
        "{% set n.text = n.text + '<' + m.role + '>' + m.content | trim %}{% endfor %}{{ n.text }}"
    )
    messages = [Message("user", "some words " * 9)] * 1000
    assert len("".join(s.text for s in render(template, messages))) > 90_000


def test_a_namespace_does_not_print_what_is_in_it():
    segments = render(grown(NEST, "{{ n }}{{ [n] | string }}{{ n ~ '' }}"), HI)
    assert segments[0].text == "<namespace>[<namespace>]<namespace>"
