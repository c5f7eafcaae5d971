# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import importlib
import string
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from unit.sites import KEY, Site

NAMES = (
    "bcrypt",
    "client_address",
    "dhcpd_string",
    "getcap_string",
    "httpd_string",
    "ipv4_address",
    "ipv6_address",
    "mac_address",
    "mail_address",
    "password",
    "response_value",
    "sshfp",
    "vm_conf_string",
)

# Files with several filters.
ADDRESSES = {"ipv4_address", "ipv6_address", "mac_address"}
QUOTING = {
    "client_address",
    "dhcpd_string",
    "getcap_string",
    "httpd_string",
    "mail_address",
    "response_value",
    "vm_conf_string",
}

PACKAGE = "ansible_collections.puffy.vmm.plugins.filter"


def filter_named(name: str) -> Callable[..., Any]:
    filters: dict[str, Callable[..., Any]]
    files = {"addresses": ADDRESSES, "quoting": QUOTING}
    place = next((file for file, names in files.items() if name in names), name)
    filters = importlib.import_module(f"{PACKAGE}.{place}").FilterModule().filters()
    assert set(filters) == files.get(place, {name})
    return filters[name]


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("mac_address", ["fe:e1:bb:d1:c8", 10], "fe:e1:bb:d1:c8:0a"),
        ("mac_address", ["fe:e1:bb:d1:c8", 10, "decimal"], "fe:e1:bb:d1:c8:10"),
        ("mac_address", ["fe:e1:bb:d1", 300], "fe:e1:bb:d1:01:2c"),
        ("ipv4_address", ["203.0.113.0/24", 7], "203.0.113.7"),
        ("ipv4_address", [["203.0.113.10", "203.0.113.200"], 7], "203.0.113.16"),
        ("ipv6_address", ["2001:db8:6::/64", 7], "2001:db8:6::16"),
        ("ipv6_address", [["2001:db8:6::100", "2001:db8:6::1ff"], 7], "2001:db8:6::106"),
        ("vm_conf_string", ["a b"], '"a b"'),
        ("dhcpd_string", ["a b"], '"a b"'),
        ("httpd_string", ["a b"], '"a b"'),
        ("getcap_string", ["a:b"], r"a\cb"),
        ("mail_address", ["root"], "root"),
        ("client_address", ["2001:DB8:0::9"], "2001:db8::9"),
        ("response_value", ["a b"], "a b"),
        (
            "sshfp",
            [f"{KEY} root@server1\n"],
            "4 2 6d76d9bdab06c2d383ec01f26b938fbeaaacadcab3da08f0458417b37aefe19c",
        ),
    ],
)
def test_results(name: str, arguments: list[Any], result: str) -> None:
    assert filter_named(name)(*arguments) == result


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("mac_address", [5, 1], "the input must be a string, not a number"),
        *(
            (name, [[5]], "the input must be a string, not a list")
            for name in NAMES
            if name.endswith("_string") or name in ("response_value", "sshfp", "bcrypt")
        ),
        ("mac_address", ["fe:e1:bb:d1:c8", "ten"], "number must be a whole number, not a string"),
        ("mac_address", ["fe:e1:bb:d1:c8", 256], "256 is not from 1 to 255"),
        ("mac_address", ["ff:e1:bb:d1:c8", 1], "'ff:e1:bb:d1:c8' begins multicast addresses"),
        ("mac_address", ["fe:e1:bb:d1:c8", 1, "octal"], "'octal' is not one of hex, decimal"),
        ("ipv4_address", ["203.0.113.0/24", 255], "255 is out of bounds; 203.0.113.1-203.0.113"),
        ("ipv4_address", [None, 1], "is nothing; give the first and the last address"),
        ("ipv6_address", ["203.0.113.0/24", 1], "'203.0.113.0/24' is not an IPv6 network"),
        ("ipv6_address", ["2001:db8:6::/64", True], "number must be a whole number, not a boolean"),
        ("vm_conf_string", ['a"\ndisk "/etc/passwd'], """the character '"' (U+0022) cannot"""),
        ("response_value", ["a\nb"], "cannot stand in an answer of a response file"),
        ("password", ["web1"], "the input must be a whole number, not a string"),
        ("password", [8], "too easy to guess"),
        ("bcrypt", ["x" * 73], "a password of 73 bytes cannot be hashed"),
        ("bcrypt", ["secret", "8"], "cost must be a whole number, not a string"),
        ("sshfp", ["ssh-dss AAAA"], "'ssh-dss' is a type that OpenSSH no longer accepts"),
    ],
)
def test_errors_name_the_filter_and_the_reason(name: str, arguments: list[Any], error: str) -> None:
    with pytest.raises(AnsibleFilterError) as raised:
        filter_named(name)(*arguments)
    assert str(raised.value).startswith(f"puffy.vmm.{name}: ")
    assert error in str(raised.value)


def test_an_error_does_not_show_a_secret() -> None:
    for arguments in (["hunter2" * 20], ["hunter2", 99], ["hunter2\0"], [["hunter2"]]):
        with pytest.raises(AnsibleFilterError) as raised:
            filter_named("bcrypt")(*arguments)
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "options", "length", "alphabet"),
    [
        ([""], {}, 24, string.ascii_letters + string.digits),
        ([None], {}, 24, string.ascii_letters + string.digits),
        ([20], {"alphabet": "seed"}, 20, "".join(map(chr, range(33, 127)))),
        ([""], {"length": 72, "alphabet": "abcdef"}, 72, "abcdef"),
    ],
)
def test_passwords(
    arguments: list[Any], options: dict[str, Any], length: int, alphabet: str
) -> None:
    password = filter_named("password")
    made = {password(*arguments, **options) for _ in range(50)}
    assert len(made) == 50
    assert {len(each) for each in made} == {length}
    assert set("".join(made)) == set(alphabet)


def test_hashes() -> None:
    first, second = (filter_named("bcrypt")("secret", cost=8) for _ in range(2))
    assert first != second
    assert first.startswith("$2b$08$")
    assert bcrypt.checkpw(b"secret", first.encode())


def test_ansible_has_them_all_with_their_documentation(site: Site) -> None:
    full = [f"puffy.vmm.{name}" for name in NAMES]
    done = site.run("ansible-doc", "-t", "filter", "--json", *full)
    documented = yaml.safe_load(done.stdout)
    assert list(documented) == full
    assert all(entry["examples"] and entry["return"] for entry in documented.values())
    show = {"ansible.builtin.debug": {"msg": "{{ 20 | puffy.vmm.password | puffy.vmm.bcrypt(8) }}"}}
    wrong = {"ansible.builtin.debug": {"msg": "{{ nothing | puffy.vmm.vm_conf_string }}"}}
    done = site.play(show, wrong)
    assert '"$2b$08$' in done.stdout
    assert "'nothing' is undefined" in done.stdout
