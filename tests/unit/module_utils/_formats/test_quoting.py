# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import parse_dhcpd_conf
from ansible_collections.puffy.vmm.plugins.module_utils._formats.quoting import (
    client_address,
    dhcpd_string,
    getcap_string,
    httpd_string,
    mail_address,
    response_value,
    vm_conf_string,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import parse_vm_conf
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import check_question
from hypothesis import example, given
from hypothesis import strategies as st

QUOTERS = [vm_conf_string, httpd_string, dhcpd_string]


@pytest.mark.parametrize("quote", QUOTERS)
@pytest.mark.parametrize("value", ["", "web1", "a b", "'", "$macro", "#", "{{ 7*7 }}", "a=b;c{}"])
def test_what_can_stand_in_quotes(quote: Callable[[str], str], value: str) -> None:
    assert quote(value) == f'"{value}"'


@pytest.mark.parametrize(
    ("quote", "language"),
    [
        (vm_conf_string, "a string of vm.conf(5)"),
        (httpd_string, "a string of httpd.conf(5)"),
        (dhcpd_string, "a string of dhcpd.conf(5)"),
        (getcap_string, "a string of getcap(3)"),
        (response_value, "an answer of a response file"),
    ],
)
@pytest.mark.parametrize(
    ("value", "character"),
    [
        ("a\nb", r"'\n' (U+000A)"),
        ("a\0", r"'\x00' (U+0000)"),
        ("\x01", r"'\x01' (U+0001)"),
        ("a\x7f", r"'\x7f' (U+007F)"),
        ("\xfc", r"'\xfc' (U+00FC)"),
        ("a\u202eb", r"'\u202e' (U+202E)"),
    ],
)
def test_what_can_stand_nowhere(
    quote: Callable[[str], str], language: str, value: str, character: str
) -> None:
    with pytest.raises(ValueError) as refused:
        quote(value)
    assert str(refused.value) == f"the character {character} cannot stand in {language}"


@pytest.mark.parametrize("quote", QUOTERS)
@pytest.mark.parametrize(("value", "shown"), [('a"b', "'\"' (U+0022)"), ("a\\", r"'\\' (U+005C)")])
def test_what_cannot_stand_in_quotes(quote: Callable[[str], str], value: str, shown: str) -> None:
    with pytest.raises(ValueError) as refused:
        quote(value)
    assert f"the character {shown} cannot stand in a string of" in str(refused.value)


@pytest.mark.parametrize(
    ("quote", "longest"), [(vm_conf_string, 8094), (httpd_string, 8094), (dhcpd_string, 1498)]
)
def test_the_longest_string(quote: Callable[[str], str], longest: int) -> None:
    assert len(quote(longest * "x")) == longest + 2
    with pytest.raises(ValueError, match=f"has up to {longest} characters, not {longest + 1}"):
        quote((longest + 1) * "x")


@pytest.mark.parametrize("value", ["yes", "a = b", "#", '"\\$', "x" * 1000, "{{ 7*7 }}"])
def test_answers(value: str) -> None:
    assert response_value(value) == value


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "be empty"),
        (" a", "begin or end with a blank"),
        ("a ", "begin or end with a blank"),
        ("x" * 1001, "be 1001 characters long"),
    ],
)
def test_what_the_installer_would_not_read(value: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^an answer of a response file cannot {complaint}$"):
        response_value(value)


TEXTS = st.text() | st.text(st.characters(max_codepoint=127))


@given(TEXTS)
@example("a'b $c #d {e}")
def test_vm_conf_reads_what_was_quoted(value: str) -> None:
    try:
        quoted = vm_conf_string(value)
    except ValueError:
        return
    conf = parse_vm_conf(f"vm {quoted} {{ disable }}\nvm after {{ disable }}\n")
    assert [vm.name for vm in conf.vms] == [value, "after"]


@given(TEXTS)
@example("a'b $c #d {e}")
def test_dhcpd_conf_reads_what_was_quoted(value: str) -> None:
    try:
        quoted = dhcpd_string(value)
    except ValueError:
        return
    conf = parse_dhcpd_conf(f"option domain-name {quoted};\nauthoritative;\n")
    assert conf.parameters == {"option domain-name": (value,), "authoritative": ()}


def answer_of(line: str) -> tuple[str, str]:
    """Split a line as _autorespond of install.sub does it."""
    key, _, value = line.strip(" \t").partition("=")
    return key.rstrip(" \t"), value.lstrip(" \t")


@given(TEXTS, TEXTS)
def test_the_installer_reads_what_was_written(question: str, answer: str) -> None:
    try:
        line = f"{check_question(question)} = {response_value(answer)}"
    except ValueError:
        return
    assert answer_of(line) == (question, answer)
    assert line[0] not in "#="


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
@example(r"\072 \\: ^: \c ^\ #")
def test_what_is_written_for_getcap_is_read_so(value: str) -> None:
    written = getcap_string(value)
    assert ":" not in written
    assert read_capability(written) == value


def read_capability(text: str) -> str:
    """As cgetstr(3) reads a value."""
    result = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters)
            result.append(":" if escaped in "cC" else escaped)
        else:
            assert character != "^"
            result.append(character)
    return "".join(result)


@pytest.mark.parametrize("value", ["root", "a@b", "no-reply.x+y=z@mail.example.org", "_x@1.2"])
def test_mail_addresses(value: str) -> None:
    assert mail_address(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "-x", "a b", "a@-b", "a@b.", "a@", "@b", "a@b\n", "a;b", "$(id)", "~x", "|sh", "/tmp/x",
     "a'b", '"a"@b', "a,b", "a@b@c", ".a", "a..b", "\xfc@b", "a@" + "b" * 64, "a" * 255],
)  # fmt: skip
def test_what_is_no_mail_address(value: str) -> None:
    with pytest.raises(
        ValueError, match="is not a mail address; use one such as admin@example.org"
    ):
        mail_address(value)


@pytest.mark.parametrize("value", ["192.0.2.9", "2001:db8::9", "::1"])
def test_addresses_of_clients(value: str) -> None:
    assert client_address(value) == value
    assert client_address(value.upper()) == value


@pytest.mark.parametrize(
    "value", ["", "192.0.2.0/24", "prometheus.example.org", "192.0.2.9\n", "fe80::1%a b", "../x"]
)
def test_what_is_no_address_of_a_client(value: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address; use one such as 192.0.2.9"):
        client_address(value)
