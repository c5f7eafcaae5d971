# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Services of rcctl(8)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    NOBODYS,
    PlanError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from unit.plugin_utils._state.servers import (
    Output,
    Server,
    change,
    changes,
    notices,
    plan_on,
    service,
    steps,
    undos,
    unknown_service,
    wants,
)

CONF = {"path": "/etc/x.conf", "content": "new\n"}
DHCPD = {"name": "dhcpd", "flags": "vport42"}
RUNFILE = "/var/run/rc.d/httpd"
RECORD = "daemon_flags=\ndaemon_timeout=30\n"
SETTLED = "wait rcctl check dhcpd"


def of(*services: dict[str, t.Any], **more: t.Any) -> Document:
    return wants(services=list(services), **more)


CASES: dict[str, tuple[Document, dict[str, Output], list[str], list[str]]] = {
    "as wanted": (of(DHCPD), service("dhcpd", flags="vport42"), [], []),
    "flags are words, however they are spaced": (
        of({**DHCPD, "flags": "a  b"}), service("dhcpd", flags="a b"), [], [],
    ),
    "flags that nobody names stay": (of({"name": "dhcpd"}), service("dhcpd", flags="x"), [], []),
    "one that was never used": (
        of(DHCPD), service("dhcpd", enabled=False, running=False),
        ["enable dhcpd", "set flags of dhcpd to vport42", "start dhcpd"],
        ["run rcctl enable dhcpd", "run rcctl set dhcpd flags vport42", "run rcctl start dhcpd",
         SETTLED],
    ),
    "a changed file restarts": (
        of(DHCPD, files=[CONF]), service("dhcpd", flags="vport42"),
        ["create /etc/x.conf", "restart dhcpd"],
        ["stage /etc/x.conf", "commit /etc/x.conf", "run rcctl restart dhcpd", SETTLED],
    ),
    "a changed file reloads": (
        of({**DHCPD, "on_change": "reload"}, files=[CONF]), service("dhcpd", flags="vport42"),
        ["create /etc/x.conf", "reload dhcpd"],
        ["stage /etc/x.conf", "commit /etc/x.conf", "run rcctl reload dhcpd", SETTLED],
    ),
    "a changed file that nobody has to read": (
        of({**DHCPD, "on_change": "nothing"}, files=[CONF]), service("dhcpd", flags="vport42"),
        ["create /etc/x.conf"], ["stage /etc/x.conf", "commit /etc/x.conf"],
    ),
    "one that starts reads a changed file anyway": (
        of(DHCPD, files=[CONF]), service("dhcpd", flags="vport42", running=False),
        ["create /etc/x.conf", "start dhcpd"],
        ["stage /etc/x.conf", "commit /etc/x.conf", "run rcctl start dhcpd", SETTLED],
    ),
    "changed flags need a restart where a file would only need a reload": (
        of({**DHCPD, "flags": "-v", "on_change": "reload"}), service("dhcpd", flags="vport42"),
        ["set flags of dhcpd to -v", "restart dhcpd"],
        ["run rcctl set dhcpd flags -v", "run rcctl restart dhcpd", SETTLED],
    ),
    "one that is to be stopped": (
        of({"name": "dhcpd", "enabled": False, "running": False}), service("dhcpd"),
        ["disable dhcpd", "stop dhcpd"], ["run rcctl disable dhcpd", "run rcctl stop dhcpd"],
    ),
    "one that is stopped": (
        of({"name": "dhcpd", "enabled": False, "running": False}),
        service("dhcpd", enabled=False, running=False), [], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    document, outputs, shown, done = CASES[name]
    made = plan_on(document, Server(outputs=outputs))
    assert changes(made) == shown
    assert steps(made) == done
    for step in made.steps:
        # Every call of rcctl(8) has a time limit, the agent's own where none is given.
        assert 0 < step.fields.get("timeout", 60) <= 600


def test_a_service_that_fails_is_brought_back() -> None:
    server = Server(outputs=service("dhcpd", flags="vport42"))
    made = plan_on(of(DHCPD, files=[CONF]), server)
    assert undos(made) == ["rcctl restart dhcpd", "rcctl start dhcpd"]
    (restart,) = (step for step in made.steps if step.change and step.change.kind == "restart")
    assert restart.fields["undo_always"]
    assert restart.fields["undo"][1]["ok"] == [0]


def test_what_may_be_used_by_then_is_not_taken_away_later() -> None:
    server = Server(outputs=service("dhcpd", enabled=False, running=False))
    made = plan_on(of(DHCPD), server)
    assert undos(made) == ["rcctl stop dhcpd", "rcctl disable dhcpd"]
    assert undos(made, later=True) == []
    off = of({**DHCPD, "enabled": False, "running": False})
    made = plan_on(off, Server(outputs=service("dhcpd")))
    assert undos(made, later=True) == ["rcctl start dhcpd", "rcctl enable dhcpd"]
    made = plan_on(of(DHCPD, files=[CONF]), Server(outputs=service("dhcpd", flags="vport42")))
    assert undos(made, later=True) == undos(made) != []


def test_whose_a_change_is() -> None:
    server = Server(outputs=service("dhcpd", enabled=False, running=False))
    made = plan_on(of(DHCPD), server)
    assert {found.vms for _name, found in made.changes} == {EVERYBODYS}
    assert not any(found.consequence for _name, found in made.changes)
    made = plan_on(of(DHCPD, files=[CONF]), Server(outputs=service("dhcpd", flags="vport42")))
    restart = change(made, "restart dhcpd")
    assert (restart.vms, restart.consequence) == (NOBODYS, True)


def test_a_running_services_time_limit_is_in_rc_subrs_own_record() -> None:
    # And nothing restarts for it.
    document = of({"name": "httpd", "timeout": 60})
    outputs = service("httpd", timeout=60)
    made = plan_on(document, Server({RUNFILE: RECORD}, outputs))
    assert changes(made) == [f"change {RUNFILE} (httpd runs with another time limit)"]
    assert steps(made) == [f"stage {RUNFILE}", f"commit {RUNFILE}"]
    assert made.steps[0].content == b"daemon_flags=\ndaemon_timeout=60\n"
    # One that does not run has no record, or an old one.
    made = plan_on(document, Server(outputs=service("httpd", timeout=30)))
    assert changes(made) == ["set timeout of httpd to 60"]


def test_a_service_that_openbsd_does_not_have() -> None:
    with pytest.raises(PlanError, match=r"r: nosuch: rcctl\(8\) does not know this service"):
        plan_on(of({"name": "nosuch"}), Server(outputs=unknown_service("nosuch")))


def test_vmd_has_a_type_of_its_own() -> None:
    with pytest.raises(DocumentError, match="vmd would stop every VM where it is restarted"):
        of({"name": "vmd", "on_change": "reload"})


def test_flags_that_others_set_are_not_taken_away() -> None:
    foreign = {"advice": "add it to dhcpd_interfaces"}
    document = of({**DHCPD, "foreign": foreign})
    server = Server(outputs=service("dhcpd", flags="em1 vport42"))
    with pytest.raises(PlanError) as error:
        plan_on(document, server)
    assert "r: dhcpd_flags: has what puffy.vmm did not write and would take away: em1" in str(
        error.value
    )
    assert "add it to dhcpd_interfaces" in str(error.value)
    made = plan_on(of({**DHCPD, "foreign": {**foreign, "drop": True}}), server)
    assert "set flags of dhcpd to vport42" in changes(made)
    assert notices(made) == ["r: dhcpd_flags: em1 is taken away"]
    # Those that it set itself may go.
    notes = "dhcpd_flags\tem1\ndhcpd_flags\tvport42\n"
    made = plan_on(document, server.plus({"/var/db/puffy.vmm.written": notes}))
    assert "set flags of dhcpd to vport42" in changes(made)
    # And so may those of a service whose file it wrote.
    conf = {
        "path": "/etc/dhcpd.conf", "content": "# Written by puffy.vmm\n",
        "foreign": {"language": "dhcpd.conf", "advice": "x"},
    }  # fmt: skip
    server = server.plus({"/etc/dhcpd.conf": "# Written by puffy.vmm\n# before\n"})
    made = plan_on(of({**DHCPD, "foreign": foreign}, files=[conf]), server)
    assert "set flags of dhcpd to vport42" in changes(made)
