# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What roles say in their files means what it means to Ansible, and costs less."""

from __future__ import annotations

import typing as t

import ansible.template
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.role_texts import (
    Text,
    TextError,
    Variables,
    compiled,
    sources,
)

trusted: t.Callable[[str], str] = getattr(ansible.template, "trust_as_template", str)

HOST: t.Final[dict[str, t.Any]] = {
    "server": "203.0.113.1",
    "release": "7.8",
    "number": 10,
    "nothing": None,
    "ports": ["em0", "em1"],
    "vms": [{"name": "web1", "up": True}, {"name": "build1", "up": False}],
}
# What roles write, and odd things that they may write one day.
TEXTS: t.Final = (
    "{{ host.server }}",
    "{{ host.release }}",
    "{{ host.number }}",
    "{{ host.nothing }}",
    "{{ host.vms }}",
    "{{ 5 }}",
    "{{ [] }}",
    "{{ none }}",
    "{{ 'yes' }}",
    "{{ '5' }}",
    "{{ true }}",
    "at {{ host.server }}:{{ host.number }}",
    "-{{ host.nothing }}-",
    "{{ 'http://' if host.number > 1 else '' }}{{ host.server }}",
    "{{ host.nothing or '' }}",
    "{{ host.missing | default('none') }}",
    "{{ missing | default('*', true) }}",
    "{{ missing | default('') == 'drop' }}",
    "{{ 'no' | bool }}",
    "{{ not (missing | default(true) | bool) }}",
    "{{ host.vms | selectattr('up') | map(attribute='name') }}",
    "{{ host.vms | selectattr('name', 'in', ['web1']) | list | length }}",
    "{{ host.vms | map('combine', {'state': 'present'}) | list }}",
    "{{ dict(host.vms | map(attribute='name') | zip(host.ports)) }}",
    "{{ (host.vms + host.vms) | unique(attribute='name') }}",
    "{{ range(3) | map('regex_replace', '^', 'tap') | list }}",
    "{{ host.server is match('203') }}",
    "{{ host.ports | join(' ') }}",
    "{{ host.server | replace('.', '') }}",
    "{{ host.server | quote }}",
    "{{ ['a', 'b'] | difference(['a']) }}",
    "{{ {'a': host.number} }}",
    "{% for port in host.ports %}\n{{ port }}\n{% endfor %}\n",
    "{% if host.number %}\n  yes\n{% endif %}\nend\n\n",
    "{# nothing #}\nplain\n",
)


def ansibles(text: str, **more: t.Any) -> t.Any:
    """What Ansible makes of a text."""
    templar = Templar(DataLoader(), {"host": untrusted(HOST), **more})
    return plain(templar.template(trusted(text)))


def variables(
    *,
    own: dict[str, t.Any] | None = None,
    given: dict[str, t.Any] | None = None,
    defaults: dict[str, t.Any] | None = None,
) -> Variables:
    kept, known = compiled(defaults or {}), {"host": untrusted(HOST), **(given or {})}

    def ansible(value: t.Any) -> t.Any:
        everything = {**sources(kept, trusted), **known}
        return Templar(DataLoader(), everything).template(value)

    return Variables(compiled(own or {}), known, kept, ansible)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_what_it_is_to_ansible(text: str) -> None:
    found, expected = Text(text).evaluate(variables()), ansibles(text)
    if not hasattr(ansible.template, "trust_as_template"):
        # To ansible-core 2.18 a number that comes out of a template is a string.
        found, expected = ("" if each is None else str(each) for each in (found, expected))
    assert (type(found), found) == (type(expected), expected)


def test_values_are_those_of_whoever_comes_first() -> None:
    seen = variables(
        own={"a": "{{ b }} of the role", "c": {"d": ["{{ b }}", 1], "e": "{{ 1 == 1 }}"}},
        given=untrusted({"b": "{{ not ours", "a": "given"}),
        defaults={"b": "default", "f": "{{ a }}", "g": True},
    )
    assert (seen.value("a"), seen.value("f")) == ("{{ not ours of the role",) * 2
    assert seen.value("c") == {"d": ["{{ not ours", 1], "e": True}
    assert seen.value("g") is True
    assert set(seen) == {"host", "a", "b", "c", "f", "g"}
    assert len(seen) == 6


def test_what_operators_write_is_left_to_ansible() -> None:
    seen = variables(
        given={
            "port": {"number": trusted("{{ base + 1 }}"), "name": trusted("{{ named }}")},
            "base": 8000,
            "later": trusted("{{ none_such }}"),
        },
        defaults={"named": "{{ host.server }}", "url": "{{ port.name }}:{{ port.number }}"},
    )
    assert seen.value("url") == "203.0.113.1:8001"
    # It is one that is not defined as long as nobody needs it.
    assert Text("{{ later | default('none') }}").evaluate(seen) == "none"
    with pytest.raises(TextError, match="none_such"):
        seen.value("later")


def test_what_customers_say_is_never_evaluated() -> None:
    said = "{{ host.server }}{% for %}"
    seen = variables(given={"vms": untrusted([{"note": said}])}, defaults={"all": "{{ vms }}"})
    assert seen.value("all") == [{"note": said}]
    assert Text("note: {{ vms[0].note }}").evaluate(seen) == f"note: {said}"


def test_a_default_that_ansible_has_read_too_is_not_left_to_it() -> None:
    text = "{{ host.number + 1 }}"
    given: dict[str, t.Any] = {"next": trusted(text), "all": [trusted(text)]}

    def refuse(value: t.Any) -> t.Any:
        raise AssertionError(value)

    seen = Variables({}, {**given, "host": HOST}, compiled({"next": text, "all": [text]}), refuse)
    assert (seen.value("next"), seen.value("all")) == (11, [11])


def test_each_is_evaluated_once() -> None:
    asked: list[t.Any] = []

    def ansible(value: t.Any) -> t.Any:
        asked.append(value)
        return 5

    given = {"number": trusted("{{ 2 + 3 }}")}
    seen = Variables({}, given, compiled({"a": "{{ number }}", "b": "{{ a + number }}"}), ansible)
    assert (seen.value("b"), seen.value("a")) == (10, 5)
    assert asked == ["{{ 2 + 3 }}"]


def test_variables_of_other_hosts_are_taken_as_they_are() -> None:
    hosts = object()
    assert variables(given={"hostvars": hosts}).value("hostvars") is hosts


BAD: t.Final = {
    "{{ none_such }}": "'none_such' is undefined",
    "{{ none_such.field }}": "'none_such' is undefined",
    "{{ host.none_such }}": "no attribute 'none_such'",
    "{{ host.nothing + 1 }}": "unsupported operand",
    "{{ 1 / 0 }}": "division by zero",
    "{{ host.release + 1 }}": "can only concatenate",
    "{{ deeper }}": "'none_such' is undefined",
    "{% if deeper %}{% endif %}": "'none_such' is undefined",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_where_it_is_used(text: str) -> None:
    seen = variables(defaults={"bad": text, "deeper": "{{ none_such }}", "unused": ["{{ bad }}"]})
    with pytest.raises(TextError, match=BAD[text]):
        seen.value("bad")
    with pytest.raises(TextError, match=BAD[text]):
        seen.value("unused")
    # Nobody uses it here.
    assert Text("{{ 1 if true else unused }}").evaluate(seen) == 1


def test_a_value_of_another_kind_is_no_traceback() -> None:
    seen = variables(given={"count": "many"}, defaults={"all": "{{ range(count) | list }}"})
    with pytest.raises(TextError, match="cannot be interpreted as an integer"):
        seen.value("all")
