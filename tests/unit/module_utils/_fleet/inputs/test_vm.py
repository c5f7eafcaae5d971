# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Each field of a VM file: what is allowed, and what the person is told about the rest."""

from __future__ import annotations

import json

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import BY_NAME, FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._formats.quoting import response_value
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import KEY, OTHER_KEY, build, ledger, problems, vm, wire

HOST_ADVICE = (
    "use letters, digits and hyphens, in parts of up to 63 characters with dots between them, no "
    "hyphen at either end of a part, not only digits in the last one, at most 253 characters, such "
    "as web1.example.org"
)
OWNER_ADVICE = "use letters, digits, . _ and hyphens, a letter or _ first, at most 31 characters"
ACCOUNT_ADVICE = "use a-z, 0-9, _ and hyphens, a letter first, at most 31 characters"
SET_ADVICE = (
    "use letters, digits, . _ * and hyphens, + or - first to add or remove, such as -x* or +site*"
)
IPV4_ADVICE = "use one such as 203.0.113.16"
QUESTION_ADVICE = (
    "use one line of printable ASCII without '=', with no '#' first and no blank at either end, of "
    "up to 200 characters"
)


def test_defaults() -> None:
    (web1,) = build({"web1.yml": vm()}).vms
    assert (web1.user, web1.autostart, web1.state) == ("puffy", True, "present")
    assert (str(web1.memory), str(web1.disk.size), web1.disk.format) == ("1G", "50G", "qcow2")
    assert (web1.timezone, web1.sets) == ("UTC", ("-x*", "+xb*", "+xf*", "+site*"))
    assert (web1.disk.image, web1.install_options) == ("/var/vmm/web1.qcow2", {})


def test_every_field() -> None:
    text = vm(
        f"ssh_keys: [{KEY}, {OTHER_KEY}]",
        "user: admin",
        "number: 7",
        "mac: FE:E1:BB:D1:C8:99",
        "ipv4: 203.0.113.222",
        "ipv6: 2001:DB8:6::99",
        "memory: 512M",
        "disk: 1T",
        "disk_format: raw",
        "autostart: false",
        "state: suspended",
        "timezone: America/Argentina/Buenos_Aires",
        "sets: [-x*, -game*]",
        "install_options:",
        "  Full name for user: Puffy P.",
        "  HTTP proxy URL: http://proxy:8080/?a=b#c",
        "  Do you expect to run the X Window System: no",
        "note: |",
        "  {{ lookup('pipe', 'id') }}, \U0001f421",
        ssh_keys=None,
    )
    (web1,) = build({"web1.yml": text}).vms
    assert web1.ssh_keys == (KEY, OTHER_KEY)
    assert (web1.user, web1.number, web1.mac) == ("admin", 7, "fe:e1:bb:d1:c8:99")
    assert (str(web1.ipv4), str(web1.ipv6)) == ("203.0.113.222", "2001:db8:6::99")
    assert (str(web1.memory), str(web1.disk.size)) == ("512M", "1T")
    assert web1.disk.image == "/var/vmm/web1.img"
    assert (web1.autostart, web1.state) == (False, "suspended")
    assert web1.timezone == "America/Argentina/Buenos_Aires"
    assert web1.sets == ("-x*", "-game*")
    assert web1.install_options == {
        "Full name for user": "Puffy P.",
        "HTTP proxy URL": "http://proxy:8080/?a=b#c",
        "Do you expect to run the X Window System": "no",
    }
    assert "lookup" not in repr(web1)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("memory", "1 GB", "'1 GB' is not a valid size; use a number with K, M or G, such as 1G"),
        ("memory", "[1G]", "is a list; give a single value"),
        ("memory", "", "has no value; give one, or leave the line out"),
        ("memory", "null", "has no value; give one, or leave the line out"),
        ("disk", "1024", "'1024' is not a valid size; use a number with K, M, G or T, such as 50G"),
        ("user", "Puffy", f"'Puffy' is not an account name; {ACCOUNT_ADVICE}"),
        ("owner", "7up", f"'7up' is not an account name; {OWNER_ADVICE}"),
        ("owner", "puffy:wheel", f"'puffy:wheel' is not an account name; {OWNER_ADVICE}"),
        ("owner", r'"puffy\n"', rf"'puffy\n' is not an account name; {OWNER_ADVICE}"),
        (
            "owner",
            r'"a\" owner \"b"',
            f"""'a" owner "b' is not an account name; {OWNER_ADVICE}""",
        ),
        (
            "owner",
            "pu\u0444\u0444y",
            rf"'pu\u0444\u0444y' is not an account name; {OWNER_ADVICE}",
        ),
        ("user", "_vmd", f"'_vmd' is not an account name; {ACCOUNT_ADVICE}"),
        ("owner", 32 * "a", f"'{32 * 'a'}' is not an account name; {OWNER_ADVICE}"),
        ("owner", "no", "'no' means true or false to YAML; put it in quotes if it is text"),
        (
            "owner",
            "'no'",
            "'no' is a word that OpenBSD's installer does not take for a user's name; choose "
            "another name",
        ),
        ("owner", "vmdusers", "'vmdusers' is the group of all owners; choose another name"),
        ("owner", "{a: b}", "is a mapping; give a single value"),
        (
            "user",
            "ftp",
            "'ftp' is a word that OpenBSD's installer does not take for a user's name; "
            "choose another name",
        ),
        ("hostname", "web_1.example.org", f"'web_1.example.org' is not a host name; {HOST_ADVICE}"),
        ("hostname", "web1.example.org.", f"'web1.example.org.' is not a host name; {HOST_ADVICE}"),
        ("hostname", "-a.b", f"'-a.b' is not a host name; {HOST_ADVICE}"),
        ("hostname", "203.0.113.7", f"'203.0.113.7' is not a host name; {HOST_ADVICE}"),
        ("hostname", "12345", f"'12345' is not a host name; {HOST_ADVICE}"),
        (
            "hostname",
            "b\u00fccher.example",
            rf"'b\xfccher.example' is not a host name; {HOST_ADVICE}",
        ),
        ("hostname", r'"a.b\n"', rf"'a.b\n' is not a host name; {HOST_ADVICE}"),
        ("hostname", "'{{ 7*7 }}'", f"'{{{{ 7*7 }}}}' is not a host name; {HOST_ADVICE}"),
        ("hostname", 64 * "a", f"'{57 * 'a'}...' is not a host name; {HOST_ADVICE}"),
        ("hostname", "a." * 126 + "ab", f"'{'a.' * 28}a...' is not a host name; {HOST_ADVICE}"),
        ("ssh_keys", KEY, f"'{KEY[:57]}...' is not a list; give a list of public SSH keys"),
        ("ssh_keys", "[]", "is an empty list; give a list of public SSH keys"),
        ("ssh_keys", f"[{KEY}, {OTHER_KEY}, {KEY}]", "item 3 is the same as item 1"),
        (
            "ssh_keys",
            f"[{KEY}, ssh-ed25519 AAAA]",
            "item 2: 'AAAA' is not a valid ssh-ed25519 key: it is cut off; paste the .pub file's "
            "line again",
        ),
        ("ssh_keys", "[[a]]", "item 1: is a list; give a single value"),
        ("number", "0", "0 is out of bounds; use a whole number from 1 to 65535"),
        ("number", "65536", "65536 is out of bounds; use a whole number from 1 to 65535"),
        ("number", "seven", "'seven' is not a whole number; use one from 1 to 65535"),
        ("number", "010", "'010' is not a whole number; write 10"),
        ("number", "1_0", "'1_0' is not a whole number; write 10"),
        ("number", "7.0", "'7.0' is not a whole number; use one from 1 to 65535"),
        ("number", "-7", "'-7' is not a whole number; use one from 1 to 65535"),
        ("number", 30 * "9", f"'{30 * '9'}' is not a whole number; use one from 1 to 65535"),
        ("number", "\u0667", r"'\u0667' is not a whole number; use one from 1 to 65535"),
        (
            "mac",
            "fe-e1-bb-d1-c8-07",
            "'fe-e1-bb-d1-c8-07' is not a MAC address; use two hexadecimal digits per octet and "
            "colons, "
            "such as fe:e1:bb:d1:c8:07",
        ),
        (
            "mac",
            "fe:e1:bb:d1:c8:7",
            "'fe:e1:bb:d1:c8:7' is not a MAC address; use two hexadecimal digits per octet and "
            "colons, such as fe:e1:bb:d1:c8:07",
        ),
        (
            "mac",
            "../../etc/passwd",
            "'../../etc/passwd' is not a MAC address; use two hexadecimal digits per octet and "
            "colons, such as fe:e1:bb:d1:c8:07",
        ),
        (
            "mac",
            "01:00:5e:00:00:01",
            "'01:00:5e:00:00:01' is a multicast address; the second digit of a VM's MAC is even",
        ),
        (
            "mac",
            "ff:ff:ff:ff:ff:ff",
            "'ff:ff:ff:ff:ff:ff' is a multicast address; the second digit of a VM's MAC is even",
        ),
        (
            "mac",
            "00:00:00:00:00:00",
            "'00:00:00:00:00:00' is not the address of an interface; use another one",
        ),
        ("ipv4", "203.0.113.016", f"'203.0.113.016' is not an IPv4 address; {IPV4_ADVICE}"),
        ("ipv4", "203.0.113.16/24", f"'203.0.113.16/24' is not an IPv4 address; {IPV4_ADVICE}"),
        ("ipv4", "2001:db8:6::7", f"'2001:db8:6::7' is not an IPv4 address; {IPV4_ADVICE}"),
        (
            "ipv6",
            "2001:db8:6::g",
            "'2001:db8:6::g' is not an IPv6 address; use one such as 2001:db8:6::7",
        ),
        (
            "ipv6",
            "fe80::1%vio0",
            "'fe80::1%vio0' is not an IPv6 address; use one such as 2001:db8:6::7",
        ),
        ("disk_format", "vmdk", "'vmdk' is not one of raw, qcow2"),
        ("state", "running", "'running' is not one of present, suspended, archived"),
        (
            "autostart",
            "maybe",
            "'maybe' is neither true nor false; write true or false, without quotes",
        ),
        (
            "autostart",
            "'true'",
            "'true' is neither true nor false; write true or false, without quotes",
        ),
        ("autostart", "1", "'1' is neither true nor false; write true or false, without quotes"),
        (
            "autostart",
            "[]",
            "is a list, neither true nor false; write true or false, without quotes",
        ),
        (
            "timezone",
            "europe/amsterdam",
            "'europe/amsterdam' is not a time zone; write Europe/Amsterdam",
        ),
        (
            "timezone",
            "../../etc/passwd",
            "'../../etc/passwd' is not a time zone; use one such as Europe/Amsterdam or UTC",
        ),
        (
            "sets",
            "+site*",
            "'+site*' is not a list; give a list of patterns, such as [-x*, +site*]",
        ),
        ("sets", "[-x* +site*]", f"item 1: '-x* +site*' is not a pattern for sets; {SET_ADVICE}"),
        (
            "sets",
            "[+site*, abort]",
            "item 2: 'abort' is a command to the installer, not a set; take it out",
        ),
        ("sets", "['+$(id)']", f"item 1: '+$(id)' is not a pattern for sets; {SET_ADVICE}"),
        ("sets", "[[]]", "item 1: is a list; give a single value"),
        (
            "install_options",
            "[a]",
            "is a list, not a mapping; give questions and answers, as in {Question: answer}",
        ),
        ("install_options", "{a=b: c}", f"'a=b' is not a valid question; {QUESTION_ADVICE}"),
        ("install_options", "{'#a': c}", f"'#a' is not a valid question; {QUESTION_ADVICE}"),
        ("install_options", "{' a': c}", f"' a' is not a valid question; {QUESTION_ADVICE}"),
        ("install_options", r'{"a\nb": c}', rf"'a\nb' is not a valid question; {QUESTION_ADVICE}"),
        (
            "install_options",
            r'{Full name: "x\nPassword for root = y"}',
            r"Full name: 'x\nPassword for root = y' is not a valid answer; use one line of "
            r"printable ASCII, not empty, with no blank at either end, of up to 1000 characters",
        ),
        (
            "install_options",
            "{Full name: ''}",
            "Full name: '' is not a valid answer; use one line of printable ASCII, not empty, with "
            "no blank at either end, of up to 1000 characters",
        ),
        ("install_options", "{Full name: [a]}", "Full name: is a list; give a single value"),
        ("server", "server66", "'server66' is not a server of the inventory; is server6 meant?"),
        (
            "server",
            "mars",
            "'mars' is not a server of the inventory; use the name of one of the inventory's "
            "servers",
        ),
        ("server", "[server6]", "is a list; give a single value"),
    ],
)
def test_what_a_field_does_not_take(field: str, value: str, complaint: str) -> None:
    fields: dict[str, str | None] = {field: value}
    assert problems({"web1.yml": vm(**fields)}) == [f"vms/web1.yml: {field}: {complaint}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostname", "1e3"),
        ("hostname", "WEB-1.3com"),
        ("hostname", ".".join(4 * [62 * "a"])),
        ("owner", 31 * "a"),
        ("owner", "a-_9"),
        ("mac", "12:34:56:11:22:33"),
        ("autostart", "yes"),
        ("autostart", "Off"),
        ("timezone", "GMT+0"),
        ("sets", "[all, -game78.tgz]"),
        ("note", "~"),
        ("note", "no"),
        ("note", "2026-01-02"),
        ("install_options", "{}"),
    ],
)
def test_what_a_field_takes(field: str, value: str) -> None:
    fields: dict[str, str | None] = {field: value}
    assert problems({"web1.yml": vm(**fields)}) == []


BASE = ["root", "daemon", "build", "www", "nobody", "wheel", "staff"]


@pytest.mark.parametrize(
    ("field", "account"),
    [*((field, name) for field in ("owner", "user") for name in BASE), ("owner", "_vmd")],
)
def test_accounts_of_the_base_system(field: str, account: str) -> None:
    fields: dict[str, str | None] = {field: account}
    assert problems({"web1.yml": vm(**fields)}) == [
        f"vms/web1.yml: {field}: '{account}' is an account or group of OpenBSD's base system; "
        f"choose another name"
    ]


def test_unknown_fields() -> None:
    assert problems({"web1.yml": vm("memroy: 1G", "flavour: large", "'a\u202f': 1")}) == [
        r"vms/web1.yml: 'a\u202f': is not a field of a VM file; known are " + ", ".join(BY_NAME),
        f"vms/web1.yml: flavour: is not a field of a VM file; known are {', '.join(BY_NAME)}",
        "vms/web1.yml: memroy: is not a field of a VM file; is memory meant?",
    ]


def test_the_value_of_an_unknown_field_is_not_shown() -> None:
    assert "hunter2" not in "".join(problems({"web1.yml": vm("password: hunter2")}))


def test_missing_fields() -> None:
    assert problems({"web1.yml": "note: x\n"}) == [
        "vms/web1.yml: hostname: is missing; give the host name that the VM gives itself, such as "
        "web1.example.org",
        "vms/web1.yml: owner: is missing; give the account on the server that may start, stop and "
        "reach the console of the VM, such as puffy",
        "vms/web1.yml: server: is missing; give the server that the VM is on: its name in the "
        "inventory, such as server6",
        "vms/web1.yml: ssh_keys: is missing; give public SSH keys of the owner, each a line of "
        "authorized_keys(5) without options",
    ]


def test_a_problem_hides_no_other() -> None:
    text = vm(
        "memory: lots", "disk: lots", "disk: 1G", "number: &n 7", "hostname: _", hostname=None
    )
    assert problems({"web1.yml": text, "web2.yml": vm(owner="7up")}) == [
        f"vms/web1.yml: hostname: '_' is not a host name; {HOST_ADVICE}",
        "vms/web1.yml: line 6: disk is given again, first in line 5; keep one of them",
        "vms/web1.yml: line 7: the anchor &n is not allowed; a file here is plain data, put the "
        "value in quotes if it begins with &",
        "vms/web1.yml: memory: 'lots' is not a valid size; use a number with K, M or G, such as 1G",
        f"vms/web2.yml: owner: '7up' is not an account name; {OWNER_ADVICE}",
    ]


def rsa_key(bits: int) -> str:
    """Return the line of a key with this many bits, which nobody has the private key of."""
    modulus = (1 << bits - 1 | 1).to_bytes(bits // 8 + 1, "big")
    return "ssh-rsa " + wire(b"ssh-rsa", b"\x03", modulus)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("ssh_keys", f"[{KEY}, {rsa_key(8192)}]", "item 2: is 1404 characters long, and the "),
        ("ssh_keys", f"[{rsa_key(16384)}]", "item 1: is 2768 characters long, and the installer"),
        ("sets", f"[{', '.join(f'+set{number:03}*' for number in range(112))}]", "are 1007 char"),
    ],
)
def test_what_a_response_file_cannot_hold(field: str, value: str, complaint: str) -> None:
    fields: dict[str, str | None] = {field: value}
    fleet = build({"web1.yml": vm(**fields), "web2.yml": vm(owner="another")})
    assert [machine.name for machine in fleet.vms] == ["web2"]
    (problem,) = map(str, fleet.problems)
    assert problem.startswith(f"vms/web1.yml: {field}: {complaint}")


@pytest.mark.parametrize("bits", [2048, 4096])
@pytest.mark.parametrize("length", [30, 300, 900])
def test_a_comment_never_makes_a_key_too_long(bits: int, length: int) -> None:
    key = rsa_key(bits)
    fleet = build({"web1.yml": vm(ssh_keys=f"['{key} {length * 'c'}']")})
    (line,) = fleet.vms[0].ssh_keys
    assert response_value(line) == line
    kept = len(key) + 1 + length <= 1000
    assert line == (f"{key} {length * 'c'}" if kept else key)
    assert [str(problem) for problem in fleet.warnings] == (
        []
        if kept
        else [
            f"vms/web1.yml: ssh_keys: item 1: the comment '{57 * 'c'}...' is left out, for its "
            f"length"
        ]
    )


def test_a_key_may_be_a_block_of_one_line() -> None:
    text = vm("ssh_keys:", "  - |", f"    {KEY}", ssh_keys=None)
    assert build({"web1.yml": text}).vms[0].ssh_keys == (KEY,)


def test_a_comment_that_cannot_be_kept_is_a_warning() -> None:
    key = KEY.replace("puffy@example.org", "Ren\xe9's laptop")
    fleet = build({"web1.yml": vm("ssh_keys:", f'  - "{key}"', ssh_keys=None)})
    assert fleet.vms[0].ssh_keys == (" ".join(KEY.split(" ")[:2]),)
    assert (fleet.problems, len(fleet.warnings)) == ((), 1)


@pytest.mark.parametrize(
    ("size", "fits"), [("3699M", False), ("3G", False), ("3700M", True), ("8G", True)]
)
def test_a_new_vm_has_a_disk_that_the_installer_can_use(size: str, fits: bool) -> None:
    fleet = build({"web1.yml": vm(f"disk: {size}")})
    assert [machine.name for machine in fleet.vms] == (["web1"] if fits else [])
    if not fits:
        assert "is too small for OpenBSD's installer, which needs 3700M" in str(fleet.problems[0])
    # What is there is there, whoever installed it.
    lines = ledger("web1: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16}")
    assert problems({"web1.yml": vm(f"disk: {size}")}, {"server6.yml": lines}) == []
    assert problems({"web1.yml": vm(f"disk: {size}", "state: archived")}) == []


def test_a_number_is_no_text() -> None:
    assert problems({"web1.yml": vm("number: '7'")}) == [
        "vms/web1.yml: number: '7' is text, since it is in quotes; write it without them"
    ]


def test_broken_yaml_does_not_make_fields_missing() -> None:
    (complaint,) = problems({"web1.yml": "owner: puffy\nhostname: 'a\n"})
    assert complaint.startswith("vms/web1.yml: line 2: is not YAML: ")


WORDS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "no", "7", "1G", KEY, "fe:e1:bb:d1:c8:07", "203.0.113.16", "UTC", "-x*"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), VALUES, max_size=6))
def test_any_values_are_taken_or_make_problems(fields: dict[str, object]) -> None:
    problems({"web1.yml": json.dumps(fields)})
