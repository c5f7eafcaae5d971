# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""bin/check-vm: what it refuses, what it writes, and what it never does."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.owners import key_digests
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.inventory_copy import (
    Inventory,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile, read_vm
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.check import Situation
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.document import read_content
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory
from unit.fleets import KEY, OTHER_KEY, SERVER6, SERVER7, SERVERS, build, ledger, sound, vm
from unit.plugin_utils._orders.orders import LINE, PROGRAM, Orders, order


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path / "fleet").make()


def test_an_order_that_is_sound(orders: Orders) -> None:
    before = orders.files()
    answer = orders.check(order())
    assert (answer.status, answer.problems, answer.operator) == (0, [], "")
    assert orders.files() == before, "nothing is written unless it is asked for"


@pytest.mark.parametrize(
    "text",
    [
        f"name: new1\nowner: mira\nhostname: new1.example.org\nssh_keys:\n  - {KEY}x\n",
        f"{{name: new1, owner: mira, hostname: new1.example.org, ssh_keys: [{KEY}x]}}\n",
        '{"name":"new1",\n\t"owner":"\\u006dira","hostname":"new1.example.org",'
        f'"ssh_keys":["{OTHER_KEY.replace("/", chr(92) + "/")}"],"note":"\\ud83d\\ude00"}}',
    ],
)
def test_yaml_and_json(orders: Orders, text: str) -> None:
    answer = orders.check(text, "--write")
    assert (answer.status, answer.problems) == (0, [])
    fleet = build(
        {"new1.yml": "server: server6\n"}, orders={"new1.yml": orders.files()["orders/new1.yml"]}
    )
    assert [(vm.name, vm.owner) for vm in sound(fleet).vms] == [("new1", "mira")]


def test_all_that_is_wrong_with_its_values(orders: Orders) -> None:
    wrong = order(owner="root", memory="2 GB", disk="1M", server="server6", ssh_keys=[], colour=1)
    answer = orders.check(wrong)
    assert answer.status == 1
    assert sorted(answer.fields) == ["colour", "disk", "memory", "owner", "server", "ssh_keys"]
    assert all(set(problem) == {"file", "field", "message"} for problem in answer.problems)
    assert "server: " not in answer.messages
    assert "is not for the customer to say" in answer.messages


@pytest.mark.parametrize("field", ["name", "owner", "hostname", "ssh_keys"])
def test_what_is_missing(orders: Orders, field: str) -> None:
    answer = orders.check(order(**{field: None}))
    assert (answer.status, answer.fields) == (1, [field])
    assert "is missing" in answer.messages


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("web1", "vms/web1.yml is there already"),
        ("waiting", "orders/waiting.yml is there already"),
        ("gone", "allocations/server6.yml has, or may have, this name"),
        ("seen", "host keys or a hand-over sheet of a VM seen"),
        ("monitor", "monitor is a host or a group of the inventory"),
        ("server7", "server7 is a host or a group of the inventory"),
        ("linked", "vms/linked.yml is there already"),
    ],
)
def test_names_that_are_taken(orders: Orders, name: str, detail: str) -> None:
    orders.write("orders/waiting.yml", "owner: jonas\n")
    orders.write("allocations/server6.yml", ledger(LINE, "gone: {number: 8}"))
    orders.write("host_keys/seen.pub", "")
    (orders.fleet / "vms/linked.yml").symlink_to("/nowhere")
    orders.write("kept/server6.json", json.dumps({"linked": {"vms": vm()}}))
    answer = orders.check(order(name=name), "--write")
    assert (answer.status, answer.fields) == (1, ["name"])
    assert answer.problems[0]["message"] == f"'{name}' is taken; choose another name"
    assert f"check-vm: {name}: name: " in answer.operator
    assert detail in answer.operator


@pytest.mark.parametrize("name", ["../web2", "a/b", "/etc/passwd", "_web", "-x", "a\0b", "x" * 64])
def test_names_that_are_none(orders: Orders, name: str) -> None:
    before = orders.files()
    answer = orders.check(order(name=name), "--write")
    assert answer.status == 1
    assert set(answer.fields) <= {"name", ""}
    assert orders.files() == before


def test_an_owner_has_one_set_of_keys(orders: Orders) -> None:
    answer = orders.check(order(owner="puffy", ssh_keys=[OTHER_KEY]))
    assert (answer.status, answer.fields) == (1, ["ssh_keys"])
    assert "web1" not in answer.messages, "the customer hears nothing of other VMs"
    assert "the owner's keys are in vms/web1.yml" in answer.operator
    assert orders.check(order(owner="puffy", ssh_keys=[f"{KEY} other comment"])).status == 0


SPLIT = {
    "an order that waits": ("", f"owner: mira\nssh_keys: [{KEY}]\n"),
    "both files": ("server: server6\nowner: mira\n", f"ssh_keys: [{KEY}]\n"),
    "the other way round": (f"server: server6\nssh_keys: [{KEY}]\n", "owner: mira\n"),
    "an escape": (f'server: server6\nowner: "mi\\x72a"\nssh_keys: [{KEY}]\n', ""),
    "another problem": (f"server: server6\nowner: mira\nmemory: 1X\nssh_keys: [{KEY}]\n", ""),
}


@pytest.mark.parametrize("case", SPLIT)
def test_wherever_the_owners_keys_are(orders: Orders, case: str) -> None:
    for folder, text in zip(("vms", "orders"), SPLIT[case], strict=True):
        if text:
            orders.write(f"{folder}/other.yml", text)
    answer = orders.check(order(owner="mira"))
    assert (answer.status, answer.fields) == (1, ["ssh_keys"])


def test_keys_that_cannot_be_read_are_not_overlooked(orders: Orders) -> None:
    orders.write("vms/web1.yml", "owner: puffy\nssh_keys: [broken\n")
    answer = orders.check(order(owner="puffy"))
    assert (answer.status, answer.fields) == (1, ["owner"])
    assert "try again later" in answer.messages
    assert orders.check(order(owner="mira")).status == 0
    orders.write("kept/server6.json", json.dumps({"web1": {"vms": vm()}}))
    assert orders.check(order(owner="puffy")).fields == ["ssh_keys"]
    assert orders.check(order(owner="puffy", ssh_keys=[KEY])).status == 0


def test_nobody_else_gets_the_account_of_an_owner_whose_last_vm_was_purged(orders: Orders) -> None:
    gone = f"{ledger(LINE)}owners:\n  mira: [{', '.join(key_digests([KEY]))}]\n"
    orders.write("allocations/server6.yml", gone)
    answer = orders.check(order(owner="mira", ssh_keys=[OTHER_KEY]))
    assert (answer.status, answer.fields) == (1, ["ssh_keys"])
    assert "'mira' was an owner with other keys" in answer.messages
    assert "fingerprints" in answer.operator
    assert orders.check(order(owner="mira", ssh_keys=[KEY])).status == 0
    assert orders.check(order(owner="jonas", ssh_keys=[OTHER_KEY])).status == 0
    orders.write("allocations/server6.yml", gone.replace("SHA256", "MD5"))
    assert orders.check(order(owner="mira", ssh_keys=[KEY])).fields == ["owner"]


def test_nobody_else_gets_the_account_of_an_owner_whose_file_was_removed(orders: Orders) -> None:
    before = build({"web1.yml": vm(owner="mira")}, {"server6.yml": ledger(LINE)})
    orders.write("kept/server6.json", before.kept["server6"])
    (orders.fleet / "vms/web1.yml").unlink()
    answer = orders.check(order(owner="mira", ssh_keys=[OTHER_KEY]))
    assert (answer.status, answer.fields) == (1, ["ssh_keys"])
    assert orders.check(order(owner="mira", ssh_keys=[KEY])).status == 0


@pytest.mark.parametrize("owner", ["deploy", "vmowners"])
def test_accounts_of_the_servers(orders: Orders, owner: str) -> None:
    orders.inventory({"server6": {**SERVER6, "vmm_owners_group": "vmowners"}})
    assert orders.check(order(owner=owner)).fields == ["owner"]


def test_limits_of_one_vm(orders: Orders) -> None:
    orders.inventory({
        "server6": {**SERVER6, "vmm_vm_memory_limit": "4G"},
        "server7": {**SERVER7, "vmm_vm_memory_limit": "8G", "vmm_vm_disk_limit": "100G"},
    })  # fmt: skip
    assert orders.check(order(memory="8G")).status == 0
    answer = orders.check(order(memory="9G", disk="900000T"))
    assert answer.fields == ["memory", "disk"]
    assert "9G is more than one VM may have; use 8G or less" in answer.messages
    assert orders.check(order(memory="8G"), "--server", "server6").fields == ["memory"]
    assert orders.check(order(disk="1G")).fields == ["disk"]
    # Each is fine somewhere, and nowhere both.
    assert orders.check(order(memory="8G", disk="1T")).fields == [""]


FULL: dict[str, dict[str, object]] = {
    "memory": {"vmm_memory_limit": "1500M"},
    "disk": {"vmm_disk_limit": "60G"},
    "interfaces": {"vmm_tap_count": 1},
    "numbers": {"vmm_ipv4_range": ["203.0.113.16", "203.0.113.17"]},
    "numbers, one reserved": {
        "vmm_ipv4_range": ["203.0.113.15", "203.0.113.17"],
        "vmm_reserved": ["203.0.113.15"],
    },
}


@pytest.mark.parametrize("case", FULL)
def test_no_room(orders: Orders, case: str) -> None:
    if "numbers" in case:
        orders.write("vms/web2.yml", vm(ipv4="203.0.113.17"))
    full = {**SERVER6, **FULL[case]}
    orders.inventory({"server6": full})
    answer = orders.check(order())
    assert (answer.status, answer.fields) == (1, [""])
    assert answer.messages.startswith("there is no room for this VM at the moment")
    assert "vmm_" in answer.operator
    orders.inventory({"server6": full, "server7": SERVER7})
    assert orders.check(order()).status == 0
    assert orders.check(order(), "--server", "server6").status == 1


def test_without_a_copy_of_the_inventory(orders: Orders) -> None:
    (orders.fleet / "inventory.json").write_text("{")
    answer = orders.check(order(memory="100G"))
    assert answer.status == 0
    assert "inventory.json is missing or damaged" in answer.operator
    assert orders.check(order(name="web1")).status == 1
    answer = orders.check(order(), "--server", "server6")
    assert (answer.status, answer.messages) == (2, "try again later")


def test_what_is_written(orders: Orders) -> None:
    before = orders.files()
    wide = order(ssh_keys=[f"{OTHER_KEY} Zoë"], memory="2G", note="a: 'b'\n# c\t\"", sets=["-x*"])
    for mask in (0o000, 0o077):
        old = os.umask(mask)
        try:
            assert orders.check(wide, "--write").problems == []
        finally:
            os.umask(old)
        path = orders.fleet / "orders/new1.yml"
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        text = path.read_text()
        path.unlink()
    assert orders.files() == before
    assert text == (
        'owner: "mira"\n'
        "ssh_keys:\n"
        f'  - "{OTHER_KEY.rpartition(" ")[0]}"\n'
        'hostname: "new1.example.org"\n'
        'memory: "2G"\n'
        "sets:\n"
        '  - "-x*"\n'
        'note: "a: \'b\'\\n# c\\t\\""\n'
    )


def test_nothing_is_written_over(orders: Orders) -> None:
    assert orders.check(order(), "--write").status == 0
    before = orders.files()
    again = orders.check(order(memory="2G"), "--write")
    assert (again.status, again.fields) == (1, ["name"])
    assert orders.files() == before


def test_an_order_is_accepted_where_that_is_asked_for(orders: Orders) -> None:
    words = ("--write", "--accept", "--server", "server7")
    assert orders.check(order(), *words).status == 0
    assert orders.files()["vms/new1.yml"] == "server: server7\n"
    # One that waits is accepted by its file.
    assert orders.check(order(name="new2"), "--write").status == 0
    waiting = str(orders.fleet / "orders/new2.yml")
    assert orders.run(*words, waiting).problems == []
    files = orders.files()
    assert files["vms/new2.yml"] == "server: server7\n"
    assert orders.run(*words, waiting).status == 0
    assert orders.files() == files
    vms = {name[4:]: text for name, text in files.items() if name.startswith("vms/")}
    placed = {name[7:]: text for name, text in files.items() if name.startswith("orders/")}
    assert [vm.name for vm in sound(build(vms, orders=placed)).vms] == ["web1", "new1", "new2"]
    assert orders.run("--accept", waiting).status == 2


def test_one_of_many_at_once_wins(orders: Orders) -> None:
    bodies = [order(memory=f"{number}G") for number in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: orders.check(body, "--write"), bodies))
    assert sorted(answer.status for answer in answers) == [0] + [1] * 7
    assert [file for file in orders.files() if file.startswith("orders/")] == ["orders/new1.yml"]


def test_one_of_many_keys_of_a_new_owner_wins(orders: Orders) -> None:
    bodies = [
        order(name=f"n{number}", ssh_keys=[(KEY, OTHER_KEY)[number % 2]]) for number in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: orders.check(body, "--write"), bodies))
    assert sorted(answer.status for answer in answers) == [0] * 4 + [1] * 4


def test_files_are_checked_together(orders: Orders, tmp_path: Path) -> None:
    for name, key in (("one", KEY), ("two", OTHER_KEY)):
        body = order(name=None, ssh_keys=[key])
        (tmp_path / f"{name}.json").write_text(json.dumps(body))
    (tmp_path / "link.yml").symlink_to("one.json")
    os.mkfifo(tmp_path / "fifo.yml")
    words = [str(tmp_path / name) for name in ("one.json", "two.json", "link.yml", "fifo.yml")]
    answer = orders.run("--fleet", str(orders.fleet), *words)
    assert answer.status == 1
    assert [(Path(problem["file"]).name, problem["field"]) for problem in answer.problems] == [
        ("two.json", "ssh_keys"), ("link.yml", ""), ("fifo.yml", ""),
    ]  # fmt: skip
    assert "symbolic link" in answer.messages


def test_orders_of_the_fleet_are_checked_as_they_are(orders: Orders) -> None:
    orders.check(order(), "--write")
    path = orders.fleet / "orders/new1.yml"
    assert orders.run(str(path)).problems == []
    path.write_text(path.read_text() + "mac: fe:e1:bb:d1:c8:09\n")
    assert orders.run(str(path)).fields == ["mac"]
    path.write_text(path.read_text().replace("ecdsa-sha2", "unknown"))
    assert orders.run(str(path)).fields == ["mac", "ssh_keys"]


def test_directories_that_are_links(orders: Orders, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (orders.fleet / "orders").rmdir()
    (orders.fleet / "orders").symlink_to(tmp_path / "elsewhere")
    answer = orders.check(order(), "--write")
    assert answer.status == 2
    assert "is a symbolic link" in answer.operator
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("folder", ["vms", "orders", "allocations"])
def test_a_directory_that_cannot_be_read_is_not_an_empty_one(
    orders: Orders, tmp_path: Path, folder: str
) -> None:
    (orders.fleet / folder).rename(tmp_path / "elsewhere")
    (orders.fleet / folder).symlink_to(tmp_path / "elsewhere")
    answer = orders.check(order())
    assert (answer.status, answer.messages) == (2, "try again later")
    assert f"{folder}/: is a symbolic link" in answer.operator


def test_a_standard_input_that_is_closed(orders: Orders) -> None:
    through = ("/bin/sh", "-c", 'exec "$0" "$@" <&-')
    answer = orders.run("--fleet", str(orders.fleet), "-", through=through)
    assert answer.status == 2
    assert "standard input: " in answer.operator


def test_what_is_no_fleet_stays_as_it_is(tmp_path: Path) -> None:
    answer = Orders(tmp_path).check(order(), "--write")
    assert (answer.status, answer.fields) == (2, [""])
    assert list(tmp_path.iterdir()) == []


# root without what lets it pass by permissions; util-linux is among what ./dev needs.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def test_an_account_that_may_write_orders_alone(orders: Orders) -> None:
    orders.write("credentials/web1.yml", "secret")
    orders.write("allocations/.lock", "")
    closed = {"credentials": 0o000, "allocations/.lock": 0o000, "vms": 0o555, "allocations": 0o555}
    for name, mode in closed.items():
        (orders.fleet / name).chmod(mode)
    orders.fleet.chmod(0o555)
    through = UNPRIVILEGED if os.geteuid() == 0 else ()
    words = ("--fleet", str(orders.fleet), "--write")
    try:
        answer = orders.run(*words, "-", content=json.dumps(order()).encode(), through=through)
        assert (answer.status, answer.problems, answer.operator) == (0, [], "")
        body = json.dumps(order(name="new2")).encode()
        accepting = (*words, "--accept", "--server", "server6")
        answer = orders.run(*accepting, "-", content=body, through=through)
        assert answer.status == 2
        assert "vms/new2.yml: Permission denied" in answer.operator
    finally:
        for path in (orders.fleet, *(orders.fleet / name for name in closed)):
            path.chmod(0o700)
    assert "orders/new1.yml" in orders.files()
    assert "orders/new2.yml" not in orders.files(), "both files or none"


def test_from_an_installed_collection(orders: Orders, tmp_path: Path) -> None:
    installed = tmp_path / "ansible_collections/puffy/vmm"
    for part in ("bin", "plugins"):
        shutil.copytree(PROGRAM.parents[1] / part, installed / part)
    (tmp_path / "check-vm").symlink_to(installed / "bin/check-vm")
    words = ("--fleet", str(orders.fleet), "-")
    body = json.dumps(order()).encode()
    answer = orders.run(*words, content=body, program=tmp_path / "check-vm")
    assert (answer.status, answer.problems, answer.operator) == (0, [], "")


HOSTILE = {
    "nothing": b"",
    "not UTF-8": b'{"name": "a\xff"}',
    "a NUL byte": b"name: a\0b\n",
    "a NUL in JSON": b'{"name": "new1", "note": "\\u0000"}',
    "half a surrogate pair": b'{"name": "new1", "note": "\\ud800"}',
    "ten megabytes": b"x" * 10_000_000,
    "a deep list": b"note: " + b"[" * 60_000,
    "a deep list of JSON": b'{"note": ' + b"[" * 60_000,
    "a deep list that ends": b'{"note": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a long number": b'{"note": ' + b"9" * 60_000 + b"}",
    "the same twice": b'{"owner": "mira", "owner": "puffy"}',
    "the same twice in YAML": b"owner: mira\nowner: puffy\n",
    "an alias": b"note: &a x\nowner: *a\n",
    "many aliases": b"a: &a [x,x]\n"
    + b"".join(b"a%d: &a%d [*a,*a,*a,*a]\n" % (number, number) for number in range(900)),
    "a tag": b"owner: !!python/object/apply:os.system [id]\n",
    "a merge key": b"<<: {owner: mira}\n",
    "two documents": b"owner: mira\n---\nowner: puffy\n",
    "a list": b'[{"name": "new1"}]',
    "text": b'"new1"',
    "text that goes backwards": "note: a\u202eb\n".encode(),
    "many keys": json.dumps({f"k{number}": 1 for number in range(5000)}).encode(),
    "a long key": json.dumps({"k" * 60_000: 1}).encode(),
    "the name twice": b"name: new1\nname: new2\n",
    "a name that is a list": b"name: [new1]\n",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bodies(orders: Orders, case: str) -> None:
    before = orders.files()
    answer = orders.check(HOSTILE[case], "--write")
    assert answer.status == 1
    assert answer.problems
    assert all(problem["message"].isprintable() for problem in answer.problems)
    assert orders.files() == before


@pytest.mark.parametrize("body", [
    json.dumps(order())[:-1] + ', "memory": "1G", "memory": "2G"}',
    f"{json.dumps(order())[1:-1].replace(', ', chr(10))}\nmemory: 1G\nmemory: 2G\n",
])  # fmt: skip
def test_a_field_that_is_given_twice(orders: Orders, body: str) -> None:
    answer = orders.check(body)
    assert (answer.status, answer.fields) == (1, [""])
    assert "given" in answer.messages


def test_neither_ansible_nor_jinja_is_loaded(orders: Orders) -> None:
    program = (
        "import runpy, sys\n"
        "try:\n"
        f"    runpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--fleet", str(orders.fleet), "--write", "-"],
        input=json.dumps(order()),
        capture_output=True,
        text=True,
        env={},
        check=True,
    )
    loaded = done.stderr.split()
    slow = {"ansible", "jinja2", "asyncio", "concurrent", "multiprocessing", "ssl", "http", "email"}
    assert slow.isdisjoint(name.split(".")[0] for name in loaded)
    own = [name for name in loaded if name.startswith("ansible_collections.")]
    assert not [name for name in own if "._ansible" in name or "._state" in name]
    # It is what the time goes into: some 300 of them are 0.15 s.
    assert len(loaded) < 400, len(loaded)


def test_few_files_are_read_of_a_large_fleet(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the VMs of others on other servers, nothing is parsed."""
    for number in range(40):
        server = "server6" if number < 10 else "server7"
        orders.write(f"vms/v{number}.yml", vm(server=server, owner=f"o{number}"))
    texts = FleetDirectory(orders.fleet).read()
    read: list[str] = []

    def noted(name: str, *rest: Any) -> VmFile:
        read.append(name)
        return read_vm(name, *rest)

    monkeypatch.setattr(f"{Situation.__module__}.read_vm", noted)
    situation = Situation(texts, Inventory(SERVERS))
    assert situation.faults(read_content(json.dumps(order()).encode(), None)) == []
    assert sorted(read) == sorted(["web1", *(f"v{number}" for number in range(10))])
