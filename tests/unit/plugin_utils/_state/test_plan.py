# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Several resources and several documents in one plan: their order, and what they count on."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError, digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import argv
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import plan, questions
from unit.plugin_utils._state.servers import (
    Server,
    changes,
    commands,
    plan_on,
    service,
    staged,
    steps,
    user,
    wants,
)

BIOS = "/etc/firmware/vmm-bios"
HOSTNAME = "/etc/hostname.veb42"
VEB42 = "veb42: flags=8843<UP,BROADCAST,RUNNING>\n\tindex 5 llprio 3\n\tgroups: veb\n"


def test_a_file_counts_on_a_directory_of_an_earlier_document() -> None:
    first = wants("a", directories=[{"path": "/opt"}])
    second = wants("b", files=[{"path": "/opt/x", "content": ""}])
    assert changes(plan_on([first, second])) == ["create directory /opt", "create /opt/x"]
    with pytest.raises(PlanError, match="b: /opt/x: the directory /opt does not exist"):
        plan_on([second, first])


def test_a_directory_that_two_documents_want_is_made_once() -> None:
    documents = [wants(name, directories=[{"path": "/opt", "mode": "0750"}]) for name in "ab"]
    assert changes(plan_on(documents)) == ["create directory /opt"]


def test_owners_count_on_a_group_of_an_earlier_document() -> None:
    accounts = {
        "users": [{"name": "puffy"}], "groups": ["vmdusers"], "roster": "/etc/r", "keys": "/etc",
    }  # fmt: skip
    made = plan_on([wants("a", groups=["vmdusers"]), wants("b", accounts=accounts)])
    assert commands(made) == [
        "groupadd vmdusers", "useradd -m -g =uid -G vmdusers -s /bin/ksh -c puffy puffy",
    ]  # fmt: skip


def test_a_service_counts_on_an_interface_of_an_earlier_document() -> None:
    switch = {"interfaces": [{"name": "veb42"}]}
    second = wants("vmd", interfaces=["veb42"], services=[{"name": "dhcpd", "flags": "veb42"}])
    server = Server(
        outputs={
            "ifconfig -A": (0, ""), "ifconfig veb42": (1, ""),
            **service("dhcpd", running=False, flags="veb42"),
        }
    )  # fmt: skip
    made = plan_on([wants("network", links=switch), second], server)
    assert commands(made) == [
        "ifconfig veb42 create", "ifconfig veb42 up", "ifconfig veb42", "rcctl start dhcpd",
    ]  # fmt: skip


def test_a_file_that_two_documents_edit_is_guarded_by_what_the_first_leaves() -> None:
    network = wants("network", links={"interfaces": [{"name": "veb42"}]})
    veb = {"name": "veb42", "create": False, "up": False, "flags": ["link1"]}
    pf = wants("pf", links={"interfaces": [veb]})
    made = plan_on([network, pf], Server(outputs={"ifconfig -A": (0, "")}))
    first, second = (step for step in made.steps if step.do == "commit")
    assert first.fields["path"] == second.fields["path"] == HOSTNAME
    assert first.fields["before"] == [None]
    assert second.fields["before"] == [first.fields["sha256"]]
    assert [str(change) for _name, change in made.changes if HOSTNAME in str(change)] == [
        f"create {HOSTNAME}", f"change {HOSTNAME}",
    ]  # fmt: skip
    text = staged(made)[HOSTNAME]
    assert text.index("# begin of puffy.vmm network") < text.index("# begin of puffy.vmm pf")
    # On a server that has the first part.
    half = text.partition("# begin of puffy.vmm pf")[0]
    server = Server({HOSTNAME: half}, {"ifconfig -A": (0, VEB42)})
    (commit,) = (x for x in plan_on([network, pf], server).steps if x.do == "commit")
    assert commit.fields["before"] == [digest(half.encode())]


def test_a_file_that_an_earlier_document_removes_is_gone_for_a_later_one() -> None:
    first = wants("a", directories=[{"path": "/var/x", "purge": "*.conf"}])
    second = wants("b", files=[{"path": "/var/x/a.conf", "content": "y"}])
    made = plan_on([first, second], Server({"/var/x/a.conf": "y"}))
    assert changes(made) == ["remove /var/x/a.conf", "create /var/x/a.conf"]
    assert made.steps[-1].fields["before"] == [None]


def test_what_must_be_there_comes_before_all_documents() -> None:
    first = wants("a", files=[{"path": "/etc/x", "content": ""}])
    second = wants("b", firmware=[{"path": BIOS, "driver": "vmm"}], confirm=30)
    made = plan_on([first, second])
    assert steps(made) == [
        "run fw_update -d vmm", "run fw_update vmm", f"expect {BIOS}", "stage /etc/x",
        "commit /etc/x",
    ]  # fmt: skip
    needs, own = made.transactions({})
    assert (needs.name, own.name) == ("b", "a")
    # Nothing of it can cut the server off.
    assert needs.confirm is None
    # It is shown with its document.
    assert [name for name, _change in made.changes] == ["a", "b"]


def test_a_document_without_a_step_has_no_transaction() -> None:
    done = wants("a", files=[{"path": "/etc/x", "content": ""}])
    other = wants("b", files=[{"path": "/etc/y", "content": ""}], confirm=60)
    (transaction,) = plan_on([done, other], Server({"/etc/x": ""})).transactions({})
    assert (transaction.name, transaction.confirm) == ("b", 60)
    assert plan_on([done], Server({"/etc/x": ""})).transactions({}) == []


def test_the_phases_of_a_document() -> None:
    document = wants(
        directories=[{"path": "/var/a", "purge": "*.old"}],
        files=[{"path": "/var/a/x", "content": ""}],
        sysctls={"kern.maxproc": 4000},
        services=[{"name": "dhcpd"}],
    )
    outputs = {"sysctl kern.maxproc": (0, "kern.maxproc=1310\n"), **service("dhcpd")}
    server = Server({"/var/a/z.old": "", "/etc/sysctl.conf": ""}, outputs)
    assert steps(plan_on(document, server)) == [
        "stage /var/a/x", "stage /etc/sysctl.conf", "remove /var/a/z.old", "commit /var/a/x",
        "commit /etc/sysctl.conf", "run sysctl kern.maxproc=4000", "wait sysctl -n kern.maxproc",
        "run rcctl restart dhcpd", "wait rcctl check dhcpd",
    ]  # fmt: skip


def test_a_document_that_cannot_be_had_hides_no_other() -> None:
    first = wants("a", files=[{"path": "/opt/x", "content": ""}])
    second = wants("b", files=[{"path": "/etc/y", "content": ""}])
    third = wants("c", directories=[{"path": "/usr/x"}])
    documents = [first, second, third]
    made = plan(documents, Server().answers(questions(documents)))
    assert changes(made) == ["create /etc/y"]
    assert [name for name, _text in made.errors] == ["a", "c"]
    with pytest.raises(PlanError) as error:
        made.raise_errors()
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["a", "c"]


def test_each_resource_is_answered_what_it_asked() -> None:
    accounts = {"users": [{"name": "puffy"}], "roster": "/etc/r", "keys": "/etc"}
    document = wants(
        "a", groups=["x"], accounts=accounts, files=[{"path": "/etc/y", "content": ""}]
    )
    asked = questions([document])
    assert set(asked) == {"a/groups", "a/accounts", "a/files"}
    answers = Server({"/etc/y": "z"}, users={"puffy": user()}, groups={"x": ("puffy",)}).answers(
        asked
    )
    assert answers["a/groups"].groups == {"x": ("puffy",)}
    assert answers["a/groups"].users == {}
    assert answers["a/accounts"].users == {"puffy": user()}
    assert "/etc/y" not in answers["a/accounts"].paths


def test_commands_are_split_without_a_shell() -> None:
    assert argv("vmd -n -f {path}") == ("/usr/sbin/vmd", "-n", "-f", "{path}")
    assert argv("/bin/echo 'a b' ; rm") == ("/bin/echo", "a b", ";", "rm")
    cases = {"nosuch x": "not a known program", "": "empty", "'": "not a valid command"}
    for command, text in cases.items():
        with pytest.raises(DocumentError, match=text):
            argv(command)
