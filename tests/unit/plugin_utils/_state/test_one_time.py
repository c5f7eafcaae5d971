# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The one-time path of an installation: who has one, which, for how long, and who sees it."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import explain
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.diff import file_diffs
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Directory,
    Document,
    File,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import Only, others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.one_time import OneTime, is_one_time
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current, PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.render import document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.files import left

RESPONSES = "/var/www/htdocs/install"
OLD = "once-" + "ab" * 16
STRAY = "once-" + "cd" * 16
DIRECTORY = PathFacts("directory", "0750", "root", "www", 512)
FILE = PathFacts("file", "0640", "root", "www", 1, "0" * 64)
VMS = [
    {
        "name": name,
        "mac": f"fe:e1:bb:d1:c6:0{number}",
        "owner": "puffy",
        "hostname": f"{name}.example.org",
        "image": {"path": f"/var/vmm/{name}.qcow2"},
    }
    for number, name in enumerate(("web1", "db1"), 1)
]
WEB1, DB1 = VMS


def conf(**directories: str) -> bytes:
    """A dhcpd.conf in which these VMs have these directories."""
    blocks = [
        f"host {vm['name']} {{ hardware ethernet {vm['mac']}; "
        f'filename "{directories.get(str(vm["name"]), "")}auto_install"; }}\n'
        for vm in VMS
    ]
    return ("subnet 203.0.113.0 netmask 255.255.255.0 {\n" + "".join(blocks) + "}\n").encode()


def dhcpd(one_time: OneTime) -> Document:
    text = conf(**one_time.directories)
    return Document("dhcpd", files=(File("/etc/dhcpd.conf", text, "0640"),))


def autoinstall(one_time: OneTime) -> Document:
    """What the role autoinstall wants."""
    args = {
        "directories": [
            {"path": RESPONSES, "purge": "*-install.conf", "purge_directories": "once-*",
             "sensitive": True},
            {"each": installing(one_time), "path": f"{RESPONSES}/<one_time>", "mode": "0750",
             "group": "www", "purge": "*-install.conf", "sensitive": True},
        ],
        "files": [
            {"each": installing(one_time), "path": f"{RESPONSES}/<one_time><mac>-install.conf",
             "template": "x", "mode": "0640", "group": "www", "sensitive": True},
        ],
    }  # fmt: skip
    made = document("autoinstall", args, lambda *_: "answers\n", one_time=one_time.directories)
    check([made])
    return made


def installing(one_time: OneTime) -> list[dict[str, t.Any]]:
    return [vm for vm in VMS if vm["name"] in one_time.installing]


def of(*names: str) -> OneTime:
    return OneTime.of({"vms": VMS, "installing": list(names)}, rendered=False)


def server(
    told: bytes = b"", marks: t.Collection[str] = (), files: t.Sequence[str] = ()
) -> Current:
    """A server with this dhcpd.conf, installations under way, and files in token directories."""
    paths: dict[str, PathFacts | None] = {RESPONSES: replace(DIRECTORY, mode="0755", group="wheel")}
    paths |= {f"/var/vmm/.{name}.install.conf": FILE for name in marks}
    paths |= {"/etc": DIRECTORY, "/etc/dhcpd.conf": FILE if told else None}
    entries: dict[str, tuple[str, ...]] = {}
    for path in files:
        directory, _slash, name = path.partition("/")
        paths |= {f"{RESPONSES}/{directory}": DIRECTORY}
        names = entries.setdefault(f"{RESPONSES}/{directory}", ())
        if name:
            paths[f"{RESPONSES}/{path}"] = FILE
            entries[f"{RESPONSES}/{directory}"] = (*names, name)
    entries[RESPONSES] = tuple(path.removeprefix(f"{RESPONSES}/") for path in entries)
    return Current(paths=paths, read={"/etc/dhcpd.conf": told}, entries=entries)


def told(documents: t.Sequence[Document]) -> dict[str, str]:
    """The directory of each VM in the dhcpd.conf of the documents."""
    lines = documents[0].files[0].content.decode().splitlines()[1:-1]
    return {line.split()[1]: line.split('"')[1].removesuffix("auto_install") for line in lines}


def test_a_new_installation_gets_a_path_that_nobody_can_guess() -> None:
    seen = set()
    for _ in range(20):
        one_time = of("web1")
        (now,) = (told(one_time.resolve([dhcpd(one_time)], server(conf()))),)
        assert now["db1"] == ""
        assert is_one_time(now["web1"].rstrip("/"))
        seen.add(now["web1"])
    assert len(seen) == 20
    # 128 bits, in hexadecimal.
    assert len(seen.pop()) == len("once-/") + 128 // 4


CASES: dict[str, tuple[tuple[str, ...], bytes, tuple[str, ...], dict[str, str]]] = {
    # The VMs that this run installs, the server's dhcpd.conf, marks of installations under way.
    "nothing is installed": ((), conf(), (), {"web1": "", "db1": ""}),
    "a run goes on with what one before it began": (
        ("web1",), conf(web1=f"{OLD}/"), (), {"web1": f"{OLD}/", "db1": ""},
    ),
    "so it does when the guest is at it already": (
        ("web1",), conf(web1=f"{OLD}/"), ("web1",), {"web1": f"{OLD}/", "db1": ""},
    ),
    "an installation that is over has none": ((), conf(web1=f"{OLD}/"), (), {"web1": ""}),
    "another run's installation is left alone": (
        (), conf(web1=f"{OLD}/"), ("web1",), {"web1": f"{OLD}/", "db1": ""},
    ),
    "a mark without a path in dhcpd.conf": ((), conf(), ("web1",), {"web1": ""}),
    "a path that is none of ours": ((), conf(web1="images/"), ("web1",), {"web1": ""}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_which_path(name: str) -> None:
    names, text, marks, wanted = CASES[name]
    one_time = of(*names)
    now = told(one_time.resolve([dhcpd(one_time)], server(text, marks)))
    assert {key: now[key] for key in wanted} == wanted


def test_a_dhcpd_conf_that_somebody_broke_gives_a_new_path() -> None:
    one_time = of("web1")
    for text in (b'host web1 { filename "', b"\xff", conf(web1="../")):
        now = told(one_time.resolve([dhcpd(one_time)], server(text)))
        assert now["web1"] == one_time.directories["web1"]


def changes(one_time: OneTime, current: Current) -> list[str]:
    documents = one_time.resolve([autoinstall(one_time)], current)
    return [step.change for step in plan(documents, current).steps if step.change]


WEB1_FILE = f"{WEB1['mac']}-install.conf"


def test_the_response_file_is_where_dhcpd_says() -> None:
    assert changes(of("web1"), server(conf(web1=f"{OLD}/"))) == [
        f"create directory {RESPONSES}/{OLD}", f"create {RESPONSES}/{OLD}/{WEB1_FILE}",
    ]  # fmt: skip


def test_what_is_in_place_stays_and_strays_beside_it_go() -> None:
    current = server(conf(web1=f"{OLD}/"), files=[f"{OLD}/{WEB1_FILE}", f"{OLD}/x-install.conf"])
    assert f"remove {RESPONSES}/{OLD}/x-install.conf" in changes(of("web1"), current)
    assert f"remove directory {RESPONSES}/{OLD}" not in changes(of("web1"), current)


def test_after_the_installation_file_and_directory_go() -> None:
    files = [f"{OLD}/{WEB1_FILE}", f"{STRAY}/"]
    assert changes(of(), server(conf(), files=files)) == [
        f"remove {RESPONSES}/{OLD}/{WEB1_FILE}", f"remove directory {RESPONSES}/{OLD}",
        f"remove directory {RESPONSES}/{STRAY}",
    ]  # fmt: skip


def test_the_files_of_an_installation_under_way_stay() -> None:
    current = server(conf(web1=f"{OLD}/"), ["web1"], [f"{OLD}/{WEB1_FILE}", f"{STRAY}/"])
    assert changes(of(), current) == [f"remove directory {RESPONSES}/{STRAY}"]


def test_nothing_else_is_ever_removed() -> None:
    current = server(conf(), files=[f"{OLD}/{WEB1_FILE}", f"{OLD}/notes", "images/a-install.conf"])
    link = PathFacts("link", "0755", "root", "wheel", 4)
    paths = {**current.paths, f"{RESPONSES}/{STRAY}": link, f"{RESPONSES}/once-file": FILE}
    names = (*current.entries[RESPONSES], STRAY, "once-file")
    current = replace(current, paths=paths, entries={**current.entries, RESPONSES: names})
    assert changes(of(), current) == [f"remove {RESPONSES}/{OLD}/{WEB1_FILE}"]
    (made,) = of().resolve([autoinstall(of())], current)
    assert list(left(made, current)) == [f"{RESPONSES}/{OLD}"]


def test_files_are_removed_before_their_directory_and_only_as_they_were_seen() -> None:
    current = server(conf(), files=[f"{OLD}/{WEB1_FILE}"])
    steps = plan(of().resolve([autoinstall(of())], current), current).steps
    assert [step.do for step in steps] == ["remove", "rmdir"]
    assert steps[0].fields["before"] == [FILE.sha256]
    assert steps[0].fields["sensitive"]


def test_autoinstall_without_dhcpd_is_refused() -> None:
    one_time = of("web1")
    with pytest.raises(PlanError, match="web1: .* run the role dhcpd first"):
        one_time.resolve([autoinstall(one_time)], server(conf()))
    one_time.resolve([autoinstall(one_time)], server(conf()), check_mode=True)
    documents = [dhcpd(one_time), autoinstall(one_time)]
    both = one_time.resolve(documents, server(conf()))
    assert f"{RESPONSES}/{told(both)['web1']}{WEB1_FILE}" == both[1].files[0].path


def test_a_customer_cannot_have_the_path_of_another_put_into_a_file() -> None:
    # Whatever a VM file says, only paths that were made for this run are replaced.
    text = f"@one_time {OLD}/ <one_time> once-{'0' * 32}/\n".encode()
    made = Document("r", files=(File("/etc/x", text),))
    assert of("web1").resolve([made], server(conf(web1=f"{OLD}/")))[0].files[0].content == text


def test_no_path_is_shown() -> None:
    current = server(conf(web1=f"{OLD}/"), files=[f"{OLD}/{WEB1_FILE}", f"{STRAY}/"])
    one_time = of("db1")
    documents = one_time.resolve([dhcpd(one_time), autoinstall(one_time)], current)
    made = plan(documents, current)
    shown = str(made.changes) + str(others(made, current, Only.of([DB1])))
    shown += str(file_diffs(made, FakeAgent(conf(web1=f"{OLD}/"))))  # type: ignore[arg-type]
    failed = {"text": f"{RESPONSES}/{OLD}: full", "step": None, "id": "1"}
    shown += explain(failed, Transaction("r", made.steps))
    shown += masked(f"{RESPONSES}/{STRAY} is left") + repr(one_time)
    assert "once-.../auto_install" in shown
    for secret in (OLD, STRAY, *one_time.new.values()):
        assert secret not in shown


class FakeAgent:
    """A server whose dhcpd.conf is this."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def look(self, _questions: object) -> dict[str, t.Any]:
        return {"read": {"/etc/dhcpd.conf": base64.b64encode(self._text).decode()}}


def test_a_run_for_one_vm_may_have_its_directory_and_nobody_elses_file() -> None:
    current = server(conf(web1=f"{OLD}/"), files=[f"{STRAY}/{DB1['mac']}-install.conf"])
    one_time = of("web1")
    made = plan(one_time.resolve([autoinstall(one_time)], current), current)
    assert others(made, current, Only.of([WEB1])) == [
        f"remove {RESPONSES}/once-.../{DB1['mac']}-install.conf"
    ]
    assert others(Plan(made.steps[-2:]), current, Only.of([WEB1])) == []


def test_what_is_rendered_without_a_server_is_always_the_same() -> None:
    for _ in range(2):
        one_time = OneTime.of({"vms": VMS, "installing": ["web1"]}, rendered=True)
        now = told(one_time.resolve([dhcpd(one_time)], Current(), check_mode=True))
        assert now == {"web1": f"once-{'0' * 32}/", "db1": ""}


def test_a_directory_of_a_document_is_none_that_is_purged() -> None:
    item = Directory(RESPONSES, purge="*-install.conf", purge_directories="once-*")
    made = Document("r", directories=(item, Directory(f"{RESPONSES}/{OLD}", "0750", group="www")))
    assert not plan([made], server(conf(), files=[f"{OLD}/{WEB1_FILE}"])).steps
