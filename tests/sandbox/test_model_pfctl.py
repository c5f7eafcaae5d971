# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""pfctl: what it takes, what it says, and how it prints rules (facts 9.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import bare
from sandbox.call import Result
from sandbox.machine import Machine

STATUS = "; echo rc $?"
PF_CONF = """\
set skip on lo
block return
pass
block return in on ! lo0 proto tcp to port 6000:6010
block return out log proto {tcp udp} user _pbuild
"""


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    bare.plant(tmp_path)
    (tmp_path / "etc/pf.conf").write_text(PF_CONF)
    return bare.machine(tmp_path)


def check(machine: Machine, text: str) -> Result:
    machine.files.write_text("/tmp/pf", text)
    return machine.run("pfctl -vnf /tmp/pf")


def test_the_transcript(machine: Machine) -> None:
    """Every step that needs no shell; the others are replayed over ssh."""
    wrong = []
    for step in bare.transcript("pfctl"):
        if "write" in step:
            machine.files.write_text(step["write"], step["content"])
            continue
        command = step["run"].removesuffix(STATUS)
        if "|" in command:
            continue
        found = machine.run(command)
        if command != step["run"]:
            found = Result(0, f"{found.stdout}rc {found.rc}\n", found.stderr)
        if found != Result(step["rc"], step["stdout"], step["stderr"]):
            wrong.append((command, found, step))
    assert wrong == []


def test_the_rules_of_the_boot(machine: Machine) -> None:
    assert machine.run("pfctl -sr").stdout.splitlines() == [
        "block return all",
        "pass all flags S/SA",
        "block return in on ! lo0 proto tcp from any to any port 6000:6010",
        "block return out log proto tcp all user = 55",
        "block return out log proto udp all user = 55",
    ]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("pass in quick on vio0", ["pass in quick on vio0 all flags S/SA"]),
        ("pass proto udp", ["pass proto udp all"]),
        ("pass no state", ["pass all no state"]),
        ("pass flags any", ["pass all flags any"]),
        ("block", ["block drop all"]),
        ("block return-rst in inet", ["block return-rst in inet all"]),
        ("pass from 192.0.2.0/24", ["pass inet from 192.0.2.0/24 to any flags S/SA"]),
        ("pass to 2001:db8::1", ["pass inet6 from any to 2001:db8::1 flags S/SA"]),
        ("pass to ! <bad> port != ssh", ["pass from any to ! <bad> port != 22 flags S/SA"]),
        ("pass on { a0, b0 }", ["pass on a0 all flags S/SA", "pass on b0 all flags S/SA"]),
        (
            "pass to { 192.0.2.1 2001:db8::1 } port { 80, 443 }",
            [
                "pass inet from any to 192.0.2.1 port = 80 flags S/SA",
                "pass inet from any to 192.0.2.1 port = 443 flags S/SA",
                "pass inet6 from any to 2001:db8::1 port = 80 flags S/SA",
                "pass inet6 from any to 2001:db8::1 port = 443 flags S/SA",
            ],
        ),
        ('e = "vio0"\npass on $e', ["pass on vio0 all flags S/SA"]),
        ('pass keep state (max 5)', ["pass all flags S/SA keep state (max 5)"]),
        ('pass label "x" tag y', ['pass all flags S/SA label "x" tag y']),
        ('anchor "vm/*"', ['anchor "vm/*" all']),
        (
            'anchor "a" in on vio0 {\npass\n}',
            ['anchor "a" in on vio0 all {', "  pass all flags S/SA", "}"],
        ),
        ("antispoof for vio0", ["block drop in on ! vio0 inet from 10.0.2.0/24 to any"]),
        (
            "table <t> persist { 192.0.2.1 }\nset limit states 9\npass \\\nout",
            ["pass out all flags S/SA"],
        ),
        ("match out nat-to (vio0)", ["match out all nat-to (vio0)"]),
    ],
)  # fmt: skip
def test_rules_as_printed(machine: Machine, text: str, rules: list[str]) -> None:
    found = check(machine, text + "\n")
    assert (found.rc, found.stderr) == (0, "")
    assert found.stdout.splitlines() == rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass in in\n", "/tmp/pf:1: syntax error\n"),
        ("pass\nblock on\n", "/tmp/pf:2: syntax error\n"),
        ("pass proto nosuch\n", "/tmp/pf:1: unknown protocol nosuch\n"),
        ("pass to port nosuch\n", "/tmp/pf:1: unknown port nosuch\n"),
        ("pass to port 65536\n", "/tmp/pf:1: illegal port value 65536\n"),
        (
            "pass to nosuch.invalid\n",
            "no IP address found for nosuch.invalid\n"
            "/tmp/pf:1: could not parse host specification\n",
        ),
        ("pass on $x\n", "/tmp/pf:1: macro 'x' not defined\n/tmp/pf:1: syntax error\n"),
        ("set nonsense on\n", "/tmp/pf:1: syntax error\n"),
        ("anchor\n", "/tmp/pf:1: anchors without explicit rules must specify a name\n"),
        (
            'anchor "a/b" {\npass\n}\n',
            "/tmp/pf:1: anchor paths containing '/' cannot be used for inline anchors.\n",
        ),
        (
            'include "/nosuch"\n',
            "pfctl: pushfile: /nosuch: No such file or directory\n"
            "/tmp/pf:1: failed to include file /nosuch\n",
        ),
        ("bad one\nbad two\npass in on x\nbad three\n", "/tmp/pf:1: syntax error\n"
         "/tmp/pf:4: syntax error\n"),
    ],
)  # fmt: skip
def test_refusals(machine: Machine, text: str, said: str) -> None:
    found = check(machine, text)
    assert (found.rc, found.stderr.splitlines()[: said.count("\n")]) == (1, said.splitlines())


def test_a_bad_file_leaves_the_old_rules(machine: Machine) -> None:
    before = machine.run("pfctl -sr").stdout
    machine.files.write_text("/etc/pf.conf", "nonsense\n")
    found = machine.run("pfctl -f /etc/pf.conf")
    assert found == Result(
        1,
        "",
        "/etc/pf.conf:1: syntax error\npfctl: Syntax error in config file: pf rules not loaded\n",
    )
    assert machine.run("pfctl -sr").stdout == before


def test_anchors(machine: Machine) -> None:
    assert machine.run("pfctl -a vm/web1 -f -", stdin=b"pass in\n").rc == 0
    machine.files.write_text(
        "/tmp/pf", 'anchor "x" {\npass\n}\nload anchor "y" from "/etc/pf.conf"\n'
    )
    assert machine.run("pfctl -f /tmp/pf").rc == 0
    assert machine.run("pfctl -sA").stdout == "  vm\n  vm/web1\n  x\n  y\n"
    assert machine.run("pfctl -a 'vm/*' -sr").stdout == "pass in all flags S/SA\n"
    assert machine.run("pfctl -a x -sr").stdout == "pass all flags S/SA\n"


def test_tables(machine: Machine) -> None:
    assert machine.run("pfctl -t t -T show").stderr == "pfctl: Table does not exist.\n"
    found = machine.run("pfctl -t t -T add 192.0.2.1 192.0.2.2")
    assert found == Result(0, "", "1 table created.\n2/2 addresses added.\n")
    assert machine.run("pfctl -q -t t -T delete 192.0.2.1") == Result()
    assert machine.run("pfctl -t t -T show").stdout == "   192.0.2.2\n"
    assert machine.run("pfctl -sT").stdout == "t\n"


def test_enable_and_disable(machine: Machine) -> None:
    assert machine.run("pfctl -e") == Result(1, "", "pfctl: pf already enabled\n")
    assert machine.run("pfctl -d") == Result(0, "", "pf disabled\n")
    assert machine.run("pfctl -si").stdout.startswith("Status: Disabled for 0 days 00:00:0")


@pytest.mark.parametrize(
    ("command", "first"),
    [
        ("pfctl", "usage: pfctl [-deghNnPqrvz]"),
        ("pfctl -F nonsense", "pfctl: Unknown flush modifier 'nonsense'"),
        ("pfctl -s x", "pfctl: Unknown show modifier 'x'"),
        ("pfctl -n more", "pfctl: unknown command line argument: more ..."),
        ("pfctl -t t", "usage: pfctl [-deghNnPqrvz]"),
    ],
)
def test_usage(machine: Machine, command: str, first: str) -> None:
    found = machine.run(command)
    assert found.rc == 1
    assert found.stderr.startswith(first)


def test_root_is_needed_but_for_checks(machine: Machine) -> None:
    as_user = {"uid": 1001, "user": "puffy"}
    assert machine.run("pfctl -nf /etc/pf.conf", **as_user).rc == 0  # type: ignore[arg-type]
    found = machine.run("pfctl -sr", **as_user)  # type: ignore[arg-type]
    assert found == Result(1, "", "pfctl: /dev/pf: Permission denied\n")
