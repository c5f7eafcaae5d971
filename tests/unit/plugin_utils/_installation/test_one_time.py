# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The one-time path of an installation: who has one, which, for how long, and who sees it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import ONE_TIME_NAME
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.one_time import (
    OneTime,
    for_review,
    one_time,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import Outcome
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.diff import diffs
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import others
from unit.machines import machine
from unit.plugin_utils._state.servers import (
    DIRECTORY,
    Server,
    Thing,
    changes,
    plan_on,
    wants,
)

RESPONSES = "/var/www/htdocs/install"
OLD = "once-" + "ab" * 16
STRAY = "once-" + "cd" * 16
VMS = [
    machine(name=name, mac=f"fe:e1:bb:d1:c6:0{number}")
    for number, name in enumerate(("web1", "db1"), 1)
]
WEB1, DB1 = VMS
WEB1_FILE = f"{WEB1.mac}-install.conf"


def conf(**directories: str) -> str:
    """A dhcpd.conf in which these VMs have these directories."""
    blocks = [
        f"host {vm.name} {{ hardware ethernet {vm.mac}; "
        f'filename "{directories.get(vm.name, "")}auto_install"; }}\n'
        for vm in VMS
    ]
    return "subnet 203.0.113.0 netmask 255.255.255.0 {\n" + "".join(blocks) + "}\n"


def of(*installing: str, dhcpd_conf: str = "", held: t.Collection[str] = ()) -> OneTime:
    return one_time(VMS, installing, held, dhcpd_conf)


def test_a_new_installation_gets_a_path_that_nobody_can_guess() -> None:
    seen = set()
    for _ in range(20):
        paths = of("web1", dhcpd_conf=conf()).directories
        assert paths["db1"] == ""
        assert ONE_TIME_NAME.fullmatch(paths["web1"].removesuffix("/"))
        seen.add(paths["web1"])
    assert len(seen) == 20
    # 128 bits, in hexadecimal.
    assert len(seen.pop()) == len("once-/") + 128 // 4


CASES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    # The VMs that this run installs, the server's dhcpd.conf, installations of whatever run.
    "nothing is installed": ((), conf(), (), {"web1": "", "db1": ""}, ()),
    "a run continues with what one before it began": (
        ("web1",), conf(web1=f"{OLD}/"), (), {"web1": f"{OLD}/", "db1": ""}, (),
    ),
    "so it does when the guest is at it already": (
        ("web1",), conf(web1=f"{OLD}/"), ("web1",), {"web1": f"{OLD}/", "db1": ""}, (),
    ),
    "an installation that is over has none": ((), conf(web1=f"{OLD}/"), (), {"web1": ""}, ()),
    "another run's installation is left alone": (
        (), conf(web1=f"{OLD}/"), ("web1",), {"web1": f"{OLD}/", "db1": ""}, (OLD,),
    ),
    "an installation without a path in dhcpd.conf": ((), conf(), ("web1",), {"web1": ""}, ()),
    "a path that is not ours": ((), conf(web1="images/"), ("web1",), {"web1": ""}, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_which_path(name: str) -> None:
    names, text, held, expected, kept = CASES[name]
    paths = of(*names, dhcpd_conf=text, held=held)
    assert {key: paths.directories[key] for key in expected} == expected
    assert paths.kept == kept


def test_a_dhcpd_conf_that_somebody_broke_gives_a_new_path() -> None:
    for text in ('host web1 { filename "', "\ufffd", conf(web1="../"), conf(web1=f"x{OLD}/")):
        path = of("web1", dhcpd_conf=text).directories["web1"]
        assert ONE_TIME_NAME.fullmatch(path.removesuffix("/"))
        assert path != f"{OLD}/"


def test_a_mac_address_is_the_same_in_capitals() -> None:
    text = conf(web1=f"{OLD}/").replace("fe:e1:bb", "FE:E1:BB")
    assert of("web1", dhcpd_conf=text).directories["web1"] == f"{OLD}/"


def autoinstall(paths: OneTime, *installing: str) -> Document:
    """What the role autoinstall wants."""
    each = [{"name": vm.name, "mac": vm.mac} for vm in VMS if vm.name in installing]
    purge = {"purge": "*-install.conf", "sensitive": True}
    return wants(
        "autoinstall",
        one_time=paths.directories,
        directories=[
            {"path": RESPONSES, "purge_directories": "once-*", "keep": list(paths.kept), **purge},
            {"each": each, "path": f"{RESPONSES}/<one_time>", "vms": ["<name>"], **purge},
        ],
        files=[
            {
                "each": each,
                "path": f"{RESPONSES}/<one_time><mac>-install.conf",
                "vms": ["<name>"],
                "content": "answers",
                "sensitive": True,
            }
        ],
    )


def server(*files: str) -> Server:
    there: dict[str, Thing] = {f"{RESPONSES}/x": "x"}
    for path in files:
        content: Thing = DIRECTORY if path.endswith("/") else "answers"
        there[f"{RESPONSES}/{path}".removesuffix("/")] = content
    return Server(there)


def test_the_response_file_is_where_dhcpd_says() -> None:
    paths = of("web1", dhcpd_conf=conf(web1=f"{OLD}/"))
    assert changes(plan_on(autoinstall(paths, "web1"), server())) == [
        f"create directory {RESPONSES}/{OLD}", f"create {RESPONSES}/{OLD}/{WEB1_FILE}",
    ]  # fmt: skip


def test_what_is_in_place_stays_and_strays_beside_it_go() -> None:
    paths = of("web1", dhcpd_conf=conf(web1=f"{OLD}/"))
    there = server(f"{OLD}/{WEB1_FILE}", f"{OLD}/x-install.conf")
    assert changes(plan_on(autoinstall(paths, "web1"), there)) == [
        f"remove {RESPONSES}/{OLD}/x-install.conf"
    ]


def test_after_the_installation_file_and_directory_go() -> None:
    there = server(f"{OLD}/{WEB1_FILE}", f"{STRAY}/")
    made = plan_on(autoinstall(of(dhcpd_conf=conf())), there)
    assert changes(made) == [
        f"remove {RESPONSES}/{OLD}/{WEB1_FILE}", f"remove directory {RESPONSES}/{OLD}",
        f"remove directory {RESPONSES}/{STRAY}",
    ]  # fmt: skip


def test_the_files_of_an_installation_under_way_stay() -> None:
    paths = of(dhcpd_conf=conf(web1=f"{OLD}/"), held=["web1"])
    there = server(f"{OLD}/{WEB1_FILE}", f"{STRAY}/")
    assert changes(plan_on(autoinstall(paths), there)) == [f"remove directory {RESPONSES}/{STRAY}"]


def test_a_customer_cannot_have_the_path_of_another_put_into_a_file() -> None:
    # A content is not a place where anything is filled in.
    paths = of("web1", dhcpd_conf=conf(web1=f"{OLD}/"))
    text = f"<one_time> {STRAY}/"
    made = wants(files=[{"path": "/etc/x", "content": text}], one_time=paths.directories)
    assert made.wants["files"][0].file.content == text.encode()


def test_a_run_for_one_vm_may_have_its_directory() -> None:
    paths = of("web1", dhcpd_conf=conf(web1=f"{OLD}/"))
    made = plan_on(autoinstall(paths, "web1"), server(f"{STRAY}/{DB1.mac}-install.conf"))
    changes = [change for _name, change in made.changes]
    assert others(changes, ["web1"]) == []
    assert others(changes, ["db1"]) == [
        f"web1 in {RESPONSES}/once-...", f"web1 in {RESPONSES}/once-.../{WEB1_FILE}",
    ]  # fmt: skip


def test_no_path_is_shown() -> None:
    paths = of("db1", dhcpd_conf=conf(web1=f"{OLD}/"))
    dhcpd = wants(
        "dhcpd", files=[{"path": "/etc/dhcpd.conf", "content": conf(**paths.directories)}]
    )
    there = server(f"{OLD}/{WEB1_FILE}", f"{STRAY}/", f"{STRAY}/notes")
    there = there.plus({"/etc/dhcpd.conf": conf(web1=f"{OLD}/")})
    made = plan_on([dhcpd, autoinstall(paths, "db1")], there)
    changes = [change for _name, change in made.changes]
    notices = tuple((part.name, notice) for part in made.parts for notice in part.warnings)
    outcome = Outcome(made.changes, notices, tuple(f"{name}: {notice}" for name, notice in notices))
    shown = str(others(changes, ["db1"])) + str(outcome.result(diffs=False)) + repr(paths)
    shown += str(diffs(made.shown, {"/etc/dhcpd.conf": conf(web1=f"{OLD}/").encode()}))
    assert "once-.../auto_install" in shown
    assert "once-...: is left" in shown
    for secret in (OLD, STRAY, paths.directories["db1"].removesuffix("/")):
        assert secret not in shown


def test_what_is_rendered_without_a_server_is_always_the_same() -> None:
    for _ in range(2):
        paths = for_review(["web1", "db1"], ["web1", "db1"]).directories
        assert paths == {"web1": f"once-{'0' * 32}/", "db1": f"once-{'0' * 31}1/"}
        assert for_review(["web1", "db1"], ["web1"]).directories["db1"] == ""
