# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vm.conf(5) and vmd(8): definitions that wait, and runs that are for some VMs alone."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    COMMON,
    NOBODYS,
    PlanError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import PENDING_FILE, Silent
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan, questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.vm_conf import WAITING_FILE
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.blocks import difference
from unit.plugin_utils._state.servers import (
    Content,
    Output,
    Server,
    Thing,
    change,
    changes,
    commands,
    notices,
    plan_on,
    service,
    staged,
    steps,
    undos,
    wants,
)

VM_CONF = "/etc/vm.conf"
RUNFILE = "/var/run/rc.d/vmd"
HEADER = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"


def vm_conf(*, interface: str = "veb0", agentx: bool = False, **memory: str) -> str:
    blocks = [
        f'vm "{name}" {{\n\tdisable\n\tmemory {size}\n\tdisk "/var/vmm/{name}.img"\n}}\n'
        for name, size in memory.items()
    ]
    head = "agentx\n" if agentx else ""
    return head + f'switch "uplink" {{\n\tinterface "{interface}"\n}}\n' + "".join(blocks)


def dhcpd_conf(**addresses: str) -> bytes:
    hosts = [
        f"host {name} {{ hardware ethernet fe:e1:bb:00:00:01; fixed-address {address}; }}\n"
        for name, address in addresses.items()
    ]
    subnet = "subnet 192.0.2.0 netmask 255.255.255.0 {\n"
    return (subnet + "".join(hosts) + "}\n").encode()


def changed(language: str, before: bytes, after: bytes) -> list[str]:
    return difference(language, before, after).changed


def test_changed_names_blocks_and_the_rest() -> None:
    old, new = (
        x.encode() for x in (vm_conf(a="1G", b="1G", c="1G"), vm_conf(a="1G", b="2G", d="1G"))
    )
    assert changed("vm.conf", old, new) == ["b", "c", "d"]
    assert changed("vm.conf", old, old.replace(b"veb0", b"veb1")) == [COMMON]
    assert changed("vm.conf", b"vm {{{", new) == [COMMON]
    assert changed("vm.conf", b"", vm_conf(a="1G").encode()) == [COMMON, "a"]
    old, new = dhcpd_conf(a="192.0.2.1", b="192.0.2.2"), dhcpd_conf(a="192.0.2.1", b="192.0.2.3")
    assert changed("dhcpd.conf", old, new) == ["b"]
    assert changed("dhcpd.conf", old, old.replace(b"255.0 ", b"254.0 ")) == [COMMON]
    old = b"start() {\n\tx\n}\n\tstart a\n\tstart b\n"
    assert changed("rc.vmm", old, old.replace(b"start a", b"start c")) == ["a", "c"]
    assert changed("rc.vmm", old, old.replace(b"\tx", b"\ty")) == [COMMON]


def vmd(text: str, **more: t.Any) -> Document:
    options = {"path": VM_CONF, "template": "vm.conf.j2", "service": "vmd", "mode": "0600"}
    return wants("vmd", texts={"vm.conf.j2": text}, vm_conf={**options, **more})


def status(running: str, stopped: str = "") -> str:
    lines = [f"    1 {n + 100}     1    1.0G    900M   ttyp0        puffy  running {name}\n"
             for n, name in enumerate(running.split())]  # fmt: skip
    lines += [f"    -     -     1    1.0G       -       -        puffy  stopped {name}\n"
              for name in stopped.split()]  # fmt: skip
    return HEADER + "".join(lines)


def now(old: str, pending: str | None = None, running: str = "", **things: Thing) -> Server:
    there: dict[str, Thing] = {
        VM_CONF: Content(old.encode(), "0600"),
        RUNFILE: "daemon_timeout=30\n",
    }
    there |= {PENDING_FILE: pending} | things
    return Server(there, {**service("vmd"), "vmctl status": (0, status(running))})


HEAD = "# vmd has a time limit of None s\n"
SAME = vm_conf(a="1G", b="1G")
OTHER = vm_conf(a="2G", b="1G")


@pytest.mark.parametrize(
    ("old", "new", "noted", "running", "then"),
    [
        (SAME, OTHER, "", "", []),
        (SAME, OTHER, "", "a b", ["a"]),
        (SAME, OTHER, "b\n", "a b", ["a", "b"]),
        (SAME, OTHER, "b\n", "a", ["a"]),
        (SAME, SAME, "a\n", "a b", ["a"]),
        (SAME, SAME, "a\n", "b", []),
        (SAME, vm_conf(a="1G"), "", "a b", ["b"]),
        (SAME, SAME.replace("veb0", "veb1"), "", "a b", []),
    ],
)
def test_pending(old: str, new: str, noted: str, running: str, then: list[str]) -> None:
    (part,) = plan_on(vmd(new), now(old, HEAD + noted, running)).parts
    assert list(part.pending) == then


def test_the_definition_of_a_vm_that_is_stopped_first_is_loaded() -> None:
    server = now(SAME, f"{HEAD}a\n", "a b")
    documents = [vmd(SAME)]
    answers = server.answers(questions(documents))
    assert plan(documents, answers).steps == ()
    made = plan(documents, answers, {"a"})
    assert made.parts[0].pending == ()
    assert "vmctl reload" in commands(made)


def test_a_vm_that_stopped_gets_its_new_definition_by_a_reload() -> None:
    made = plan_on(vmd(SAME), now(SAME, f"{HEAD}a\n", "b"))
    assert changes(made) == ["reload vmd"]
    assert staged(made) == {PENDING_FILE: ""}


def test_nothing_is_reloaded_while_the_vm_still_runs() -> None:
    assert plan_on(vmd(SAME), now(SAME, f"{HEAD}a\n", "a b")).steps == ()


def test_after_a_start_of_vmd_no_vm_runs_with_an_older_definition() -> None:
    """As after a boot: vmd(8) has registered every VM from the present file."""
    noted = Content(f"{HEAD}a\n".encode(), mtime=200)
    before = now(SAME, running="a b").plus({PENDING_FILE: noted})
    started = Content(b"daemon_timeout=30\n", mtime=201)
    made = plan_on(vmd(SAME), before.plus({RUNFILE: started}))
    assert (made.parts[0].pending, changes(made)) == ((), [])
    assert staged(made) == {PENDING_FILE: ""}
    # A vmd(8) that rc.subr(8) did not start leaves no record.
    for record in (None, Content(started.data, mtime=200)):
        made = plan_on(vmd(SAME), before.plus({RUNFILE: record}))
        assert (made.parts[0].pending, made.steps) == (("a",), ())


def test_a_server_where_nothing_ever_waited_has_no_list_of_it() -> None:
    assert plan_on(vmd(SAME), now(SAME, running="a b")).steps == ()


def test_vmd_is_reloaded_by_vmctl_and_judged_by_what_it_shows() -> None:
    document = wants(
        "vmd",
        texts={"vm.conf.j2": OTHER},
        interfaces=["veb0"],
        vm_conf={
            "path": VM_CONF, "template": "vm.conf.j2", "service": "vmd", "timeout": 600,
            "shows": ["a", "b"], "validate": "vmd -n -f {path}",
        },
    )  # fmt: skip
    server = now(SAME).plus(outputs={"ifconfig veb0": (0, "")})
    made = plan_on(document, server)
    assert changes(made) == [
        f"change {VM_CONF}", f"change {RUNFILE} (vmd runs with another time limit)",
        "set timeout of vmd to 600", "reload vmd",
    ]  # fmt: skip
    assert steps(made) == [
        f"stage {VM_CONF}", "run vmd -n -f {path}", f"stage {RUNFILE}",
        f"commit {VM_CONF}", f"commit {RUNFILE}", "run ifconfig veb0",
        "run rcctl set vmd timeout 600", "run vmctl reload", "wait rcctl check vmd",
        "wait vmctl status",
    ]  # fmt: skip
    (reload,) = (step for step in made.steps if step.change and step.change.kind == "reload")
    # vmctl(8) may do its work and never return.
    assert reload.fields["timeout"] <= 10
    assert reload.fields["ok"] == [0, 124]
    assert made.steps[-1].fields["match"] == [r"\sa$", r"\sb$"]
    assert not any(step.fields.get("timeout", 60) > 600 for step in made.steps)


def test_vmd_starts_where_it_is_not_enabled() -> None:
    server = Server(
        outputs={**service("vmd", enabled=False, running=False), "vmctl status": (1, "")}
    )
    made = plan_on(vmd(SAME), server)
    assert changes(made) == [f"create {VM_CONF}", "enable vmd", "start vmd"]
    # It stays up where a later step fails: VMs may run by then.
    assert undos(made) == ["rcctl disable vmd"]


@pytest.mark.parametrize("running", [True, False])
def test_vmd_is_left_alone_once_vms_may_depend_on_it(running: bool) -> None:
    """As long after as the next run, which undoes one that was cut off."""
    vmd_now = service("vmd", enabled=running, running=running)
    made = plan_on(vmd(OTHER, timeout=60), now(SAME).plus(outputs=vmd_now))
    assert undos(made)
    assert undos(made, later=True) == []


def test_without_vmm_it_is_configured_and_not_started() -> None:
    options = {"path": VM_CONF, "template": "x", "service": "vmd", "shows": ["a"]}
    vmm = {"needed": "optional", "service": "vmd"}
    document = wants("vmd", texts={"x": SAME}, vmm=vmm, vm_conf=options)
    server = Server(
        outputs={**service("vmd", enabled=False, running=False), "vmctl status": (1, "")},
        devices={"/dev/vmm": "Device not configured"},
    )
    assert changes(plan_on(document, server)) == [f"create {VM_CONF}", "enable vmd"]


def test_flags_of_vmd_change_and_nothing_restarts() -> None:
    """vmd(8) would stop every VM with itself."""
    made = plan_on(vmd(SAME, timeout=60), now(SAME))
    assert "restart" not in str(commands(made)) + str(undos(made))
    assert "stop" not in str(commands(made)) + str(undos(made))


def test_a_vmd_that_lives_and_does_not_say_what_runs() -> None:
    server = now(SAME).plus(outputs={"vmctl status": (124, "")})
    with pytest.raises(Silent):
        plan_on(vmd(OTHER), server)
    assert issubclass(Silent, OperatorError)


NOTED = HEAD + "switch uplink\n"


def waits(made: Plan) -> list[str]:
    return [text for text in notices(made) if "waits for the next start" in text]


def test_what_waits_for_the_next_start_of_vmd_is_shown_until_then() -> None:
    moved = vm_conf(interface="veb1", agentx=True, a="1G", b="1G")
    made = plan_on(vmd(moved), now(SAME, running="a"))
    # vmd's process for agentx follows at each reload.
    assert waits(made) == ["vmd: switch uplink: changed; it waits for the next start of vmd"]
    assert staged(made)[WAITING_FILE] == NOTED
    assert not [text for text in changes(made) if WAITING_FILE in text]
    # The next run changes nothing and still shows it.
    noted = Content(NOTED.encode(), mtime=200)
    before = now(moved, running="a").plus(
        {WAITING_FILE: noted, RUNFILE: Content(b"daemon_timeout=30\n", mtime=100)}
    )
    made = plan_on(vmd(moved), before)
    assert made.steps == ()
    assert waits(made) == ["vmd: switch uplink: changed; it waits for the next start of vmd"]
    # Since then, vmd was started.
    after = before.plus({RUNFILE: Content(b"daemon_timeout=30\n", mtime=300)})
    made = plan_on(vmd(moved), after)
    assert waits(made) == []
    assert changes(made) == []
    assert staged(made) == {WAITING_FILE: ""}


def test_a_switch_that_is_new_waits_for_nothing() -> None:
    more = SAME + 'switch "second" {\n\tinterface "veb1"\n}\n'
    assert waits(plan_on(vmd(more), now(SAME))) == []


def test_nothing_waits_for_a_vmd_that_is_about_to_start() -> None:
    server = now(SAME).plus(
        {RUNFILE: None}, outputs={**service("vmd", running=False), "vmctl status": (1, "")}
    )
    moved = vm_conf(interface="veb1", a="1G", b="1G")
    assert waits(plan_on(vmd(moved), server)) == []


def test_another_time_limit_is_not_taken_for_a_start_of_vmd() -> None:
    """The record of the start is written again for it, so the notes must be younger."""
    moved = vm_conf(interface="veb1", a="1G", b="1G")
    noted = Content(NOTED.encode(), mtime=200)
    record = Content(b"daemon_timeout=30\n", mtime=100)
    pending = Content(f"{HEAD}a\n".encode(), mtime=200)
    server = now(moved, running="a").plus(
        {WAITING_FILE: noted, PENDING_FILE: pending, RUNFILE: record}
    )
    made = plan_on(vmd(moved, timeout=600), server)
    staging = [text for text in steps(made) if text.startswith("stage")]
    assert staging == [f"stage {path}" for path in (RUNFILE, PENDING_FILE, WAITING_FILE)]
    assert len(waits(made)) == 1
    assert made.parts[0].pending == ("a",)


def test_a_run_for_one_vm_names_the_others_it_would_touch() -> None:
    def touched(new: str, *names: str) -> list[str]:
        made = plan_on(vmd(new), now(SAME, "a\n"))
        return others([change for _name, change in made.changes], names)

    one, two = vm_conf(a="2G", b="1G"), vm_conf(a="2G", b="2G", c="1G")
    assert touched(one, "a") == []
    assert touched(two, "a") == ["b in /etc/vm.conf", "c in /etc/vm.conf"]
    assert touched(two, "b") == ["a in /etc/vm.conf", "c in /etc/vm.conf"]
    assert touched(one.replace("veb0", "veb1"), "a") == ["what is common in /etc/vm.conf"]


def test_whose_a_change_is() -> None:
    made = plan_on(vmd(OTHER), now(SAME, "b\n"))
    assert change(made, f"change {VM_CONF}").vms == {"a"}
    reload = change(made, "reload vmd")
    assert (reload.vms, reload.consequence) == (NOBODYS, True)


def test_vms_that_others_have_in_the_file_are_not_taken_away() -> None:
    foreign = {"language": "vm.conf", "advice": "keep it with vmd_extra"}
    old = SAME + 'vm "mine" {\n\tdisable\n}\n'
    with pytest.raises(PlanError, match=r"would take away: .*VM mine.*; keep it with vmd_extra"):
        plan_on(vmd(SAME, foreign=foreign), now(old))
    made = plan_on(vmd(SAME, foreign={**foreign, "drop": True}), now(old))
    assert f"change {VM_CONF} without mine" in changes(made)
    noted = "".join(f"{VM_CONF}\tVM {name}\n" for name in ("a", "b", "mine"))
    made = plan_on(vmd(SAME, foreign=foreign), now(old).plus({"/var/db/puffy.vmm.written": noted}))
    assert f"change {VM_CONF} without mine" in changes(made)


def test_a_vm_with_the_image_of_the_fleet_is_nobody_elses() -> None:
    """Such as one that an older version wrote, whose installation takes it out of the file."""
    foreign = {"language": "vm.conf", "advice": "keep it with vmd_extra"}
    old, images = vm_conf(a="1G", b="1G", c="1G"), {"c": "/var/vmm/c.img"}
    made = plan_on(vmd(SAME, foreign=foreign, images=images), now(old))
    assert f"change {VM_CONF} without c" in changes(made)
    for other in ({"c": "/var/vmm/c.qcow2"}, {"d": "/var/vmm/c.img"}):
        with pytest.raises(PlanError, match="would take away: VM c;"):
            plan_on(vmd(SAME, foreign=foreign, images=other), now(old))


def outputs_of_silence() -> dict[str, Output]:
    return {"vmctl status": (1, ""), **service("vmd", running=False)}


def test_a_vmd_that_is_down_runs_nothing() -> None:
    (part,) = plan_on(vmd(OTHER), now(SAME, "a\n").plus(outputs=outputs_of_silence())).parts
    assert part.pending == ()
