# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The way back to a generation, from documents that were carried out before."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError, Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import (
    FILE_STEPS,
    Blobs,
    Transaction,
    on_the_wire,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state import diff
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.generations import (
    Generation,
    read,
    table,
    way_back,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Part, Plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.rollback import (
    plan_back,
    questions,
)
from unit.plugin_utils._state.servers import Content, Server, plan_on, service, wants

KEPT = "/var/backups/puffy.vmm"


@dataclass
class History:
    """A server to which transactions come, and what it keeps of them as the agent does."""

    server: Server
    raw: list[dict[str, t.Any]] = field(default_factory=list)

    def run(self, *documents: Document) -> None:
        for transaction in plan_on(documents, self.server).transactions({}):
            self.carry_out(transaction)

    def carry_out(self, transaction: Transaction) -> None:
        number = len(self.raw) + 1
        wire = on_the_wire(transaction, f"20261129T03000{number}-0badcafe", Blobs(), b"")
        staged = {step.fields["path"]: step for step in transaction.steps if step.do == "stage"}
        files = []
        for entry in wire["steps"]:
            if entry["do"] not in FILE_STEPS:
                continue
            keys = ("n", "do", "path", "sha256", "sensitive", "stays", "internal")
            old = self._change(entry, staged, number)
            was = vars(old.facts) if old else None
            file = {key: entry.get(key) for key in keys}
            files.append({**file, "was": was, "old": entry["n"] if old else None})
        checks = [
            {"n": step["n"], "argv": step["argv"]}
            for step in wire["steps"]
            if any(isinstance(word, dict) for word in step.get("argv", ()))
        ]
        of_all = ("id", "name", "after", "others", "confirm")
        head = {"by": "mira@here", **{key: wire.get(key) for key in of_all}}
        self.raw.append({**head, "number": number, "files": files, "checks": checks})

    def _change(
        self, entry: t.Mapping[str, t.Any], staged: t.Mapping[str, Step], number: int
    ) -> Content | None:
        """What was at the path before."""
        path = entry["path"]
        now = self.server.things.get(path)
        old = Content(now.encode()) if isinstance(now, str) else now
        assert old is None or isinstance(old, Content)
        new: Content | None = None
        if entry["do"] == "commit":
            step = staged[path]
            fields = {key: step.fields[key] for key in ("mode", "owner", "group")}
            new = Content(step.content or b"", **fields)
        elif entry["do"] == "attributes" and old:
            new = Content(old.data, **{key: entry[key] for key in ("mode", "owner", "group")})
        self.put(path, new)
        if old and not entry.get("sensitive"):
            self.put(f"{KEPT}/{number}/{entry['n']}", old)
        return old

    def put(self, path: str, thing: Content | str | None) -> None:
        self.server = self.server.plus({path: thing})

    @property
    def generations(self) -> tuple[Generation, ...]:
        return read(self.raw)

    def plan(self, to: int, **how: t.Any) -> Part:
        way = way_back(self.generations, to)
        return plan_back(way, self.server.answers(questions(way)), **how)

    def back(self, to: int, **how: t.Any) -> Part:
        part = self.plan(to, **how)
        for transaction in Plan((part,)).transactions({}):
            self.carry_out(transaction)
        return part

    def files(self, *paths: str) -> dict[str, t.Any]:
        """What is there now, of /etc or these paths."""
        things = self.server.things.items()
        return {
            path: Content(thing.encode()) if isinstance(thing, str) else thing
            for path, thing in things
            if thing is not None and (path in paths if paths else path.startswith("/etc/"))
        }


def words(part: Part) -> list[str]:
    return [str(change) for change in part.changes]


def httpd(text: str, *more: tuple[str, str], **fields: t.Any) -> Document:
    conf = {"path": "/etc/httpd.conf", "content": text, "validate": "httpd -n -f {path}"}
    files = [conf, *({"path": path, "content": content} for path, content in more)]
    services = [{"name": "httpd", "on_change": "reload"}]
    return wants("httpd", files=files, services=services, **fields)


@pytest.fixture
def history() -> History:
    things = {"/etc/httpd.conf": Content(b"mine\n", "0600", "mira", "wheel")}
    return History(Server(things, service("httpd")))


def test_each_file_is_as_it_was_right_after_a_generation(history: History) -> None:
    seen = [history.files()]
    for text in ("one", "two", "three"):
        history.run(httpd(text, (f"/etc/{text}", text)))
        seen.append(history.files())
    part = history.back(1)
    assert history.files() == seen[1]
    assert sorted(words(part)) == [
        "change /etc/httpd.conf", "reload httpd", "remove /etc/three", "remove /etc/two",
    ]  # fmt: skip
    # The rollback is a generation too, and so is the way out of it.
    history.back(3)
    assert history.files() == seen[3]
    history.back(0)
    assert history.files() == seen[0]
    assert history.plan(0).steps == ()


def test_checkers_guards_and_services_are_those_of_the_files(history: History) -> None:
    for text in ("one", "two"):
        history.run(httpd(text, confirm=30))
    part = history.plan(1)
    stage, check, commit, reload, wait = part.steps
    assert (stage.do, stage.content) == ("stage", b"one")
    assert check.fields["argv"] == [
        "/usr/sbin/httpd", "-n", "-f", {"path": "/etc/httpd.conf"},
    ]  # fmt: skip
    facts = history.files()["/etc/httpd.conf"].facts
    assert stage.fields["before"] == commit.fields["before"] == [facts.sha256]
    assert reload.fields["argv"] == ["/usr/sbin/rcctl", "reload", "httpd"]
    assert reload.fields["undo_always"] and reload.fields["undo"]
    assert (wait.do, wait.fields["settle"]) == ("wait", 2)
    assert part.confirm == 30
    assert part.after == (reload, wait)


def test_a_service_that_does_not_run_is_not_started(history: History) -> None:
    for text in ("one", "two"):
        history.run(httpd(text))
    history.server = history.server.plus(outputs=service("httpd", running=False))
    assert words(history.plan(1)) == ["change /etc/httpd.conf"]


def test_what_was_edited_by_hand_is_refused_and_named(history: History) -> None:
    for text in ("one", "two"):
        history.run(httpd(text, ("/etc/other", text)))
    for edit in (Content(b"by hand"), None):
        history.put("/etc/httpd.conf", edit)
        with pytest.raises(PlanError, match=r"/etc/httpd\.conf: was edited by hand .*edited=over"):
            history.plan(1)
    assert history.plan(1, overwrite=True).steps
    # Somebody did the same as the rollback.
    history.put("/etc/httpd.conf", Content(b"one"))
    assert words(history.plan(1)) == ["change /etc/other", "reload httpd"]


def test_an_edit_before_a_generation_comes_back_and_is_named(history: History) -> None:
    history.run(httpd("one"))
    history.put("/etc/httpd.conf", Content(b"by hand"))
    history.run(httpd("two"))
    part = history.back(1)
    assert history.files()["/etc/httpd.conf"].data == b"by hand"
    assert "/etc/httpd.conf: had been edited by hand" in str(part.warnings[-1])


def test_mode_and_owner_go_back_too(history: History) -> None:
    history.run(httpd("one"))
    history.put("/etc/httpd.conf", Content(b"one", "0666"))
    history.run(httpd("one"))
    assert words(history.plan(1)) == ["change mode or owner of /etc/httpd.conf", "reload httpd"]
    history.run(httpd("two"))
    assert history.files()["/etc/httpd.conf"].mode == "0644"
    history.back(1)
    assert history.files()["/etc/httpd.conf"] == Content(b"one", "0666")
    assert "change mode or owner of /etc/httpd.conf" in history.generations[1].words


def test_a_file_that_a_role_removed_comes_back_with_its_checker(history: History) -> None:
    history.run(wants("r", files=[{"path": "/etc/d/x", "content": "x", "validate": "sh -n {path}"}],
                      directories=[{"path": "/etc/d"}]))  # fmt: skip
    history.run(wants("r", directories=[{"path": "/etc/d", "purge": "*"}]))
    assert "/etc/d/x" not in history.files()
    history.server = history.server.plus({"/etc/d/y": "y"})
    part = history.back(1)
    assert [step.do for step in part.steps] == ["stage", "run", "commit"]
    assert history.files()["/etc/d/x"].data == b"x"
    # Its directory is not there any more.
    history.back(2)
    history.put("/etc/d/y", None)
    with pytest.raises(PlanError, match="the directory /etc/d does not exist on this server"):
        history.plan(1)


def test_no_secret_is_kept_shown_or_put_back(history: History) -> None:
    for text in ("one", "two"):
        secret = {"path": "/etc/secret", "content": f"secret {text}", "sensitive": True}
        conf = {"path": "/etc/conf", "content": text}
        history.run(wants("r", files=[secret, conf]))
    part = history.plan(1)
    assert words(part) == ["change /etc/conf"]
    shown = diff.diffs(part.shown, {"/etc/conf": b"two"})
    assert "secret" not in str(shown)
    assert "secret files: stay as they are" in str(part.warnings[0])
    assert "change /etc/secret (secret, not kept)" in history.generations[1].words


def test_what_is_not_a_file_stays_and_is_named(history: History) -> None:
    stopped = service("httpd", running=False, enabled=False)
    history.server = history.server.plus(outputs=stopped)
    history.run(httpd("one"))
    assert history.generations[0].words == [
        "change /etc/httpd.conf", "enable httpd (not a file)", "start httpd (not a file)",
    ]  # fmt: skip
    history.server = history.server.plus(outputs=service("httpd"))
    part = history.plan(0)
    assert "stays as it is: enable httpd (1, httpd); start httpd (1, httpd)" in str(
        part.warnings[0]
    )
    # It runs by now, so it reads what comes back.
    assert words(part) == ["change /etc/httpd.conf", "reload httpd"]


def test_what_is_kept_must_be_what_was_replaced(history: History) -> None:
    history.run(httpd("one"))
    (kept,) = (path for path in history.server.things if path.startswith(KEPT))
    for thing in (Content(b"somebody's"), None):
        history.put(kept, thing)
        with pytest.raises(PlanError, match=f"what is kept of it, {kept}, is missing, or is not"):
            history.plan(0)


def test_only_what_is_kept_can_be_asked_for(history: History) -> None:
    with pytest.raises(OperatorError, match="keeps nothing"):
        way_back((), 0)
    for text in ("one", "two", "three", "four"):
        history.run(httpd(text))
    kept = history.generations
    with pytest.raises(OperatorError, match="generation 5 is not kept; name one from 1 to 4, or 0"):
        way_back(kept, 5)
    with pytest.raises(OperatorError, match="generation 0 is not kept; name one from 2 to 4, or 1"):
        way_back(kept[1:], 0)
    with pytest.raises(OperatorError, match="generation 2 is missing .* from 2 on"):
        way_back((kept[0], *kept[2:]), 1)
    assert [one.number for one in way_back((kept[0], *kept[2:]), 2).undone] == [4, 3]


def test_the_table_has_the_newest_first(history: History) -> None:
    history.run(httpd("one", ("/etc/other", "x")))
    history.run(httpd("two"))
    assert table(history.generations) == [
        "GENERATION  WHEN                     ROLE   BY         WHAT",
        "2           2026-11-29 03:00:02 UTC  httpd  mira@here  change /etc/httpd.conf",
        "1           2026-11-29 03:00:01 UTC  httpd  mira@here  change /etc/httpd.conf",
        "                                                       create /etc/other",
    ]


RULES = "# ours\n\nblock all\n"


def test_rules_are_read_when_all_files_are_in_place_and_loaded_again() -> None:
    outputs = {
        "pfctl -s rules": (0, ""), "pfctl -a a -s rules": (0, ""), "ifconfig -A": (0, ""),
        "pfctl -s info": (0, "Status: Enabled"),
    }  # fmt: skip
    history = History(Server({"/etc/pf.conf": "pass\n"}, outputs))
    pf = {"anchor": "a", "path": "/etc/pf.a", "template": "a"}
    for text in (RULES, RULES + "pass in\n"):
        history.run(wants("pf", pf=pf, texts={"a": text}, confirm=60))
    main = history.files()["/etc/pf.conf"]
    history.put("/etc/pf.conf", main)
    part = history.plan(0)
    order = [f"{step.do} {step.fields.get('path', '')}" for step in part.steps]
    assert order == [
        "stage /etc/pf.conf", "remove /etc/pf.a", "run ", "commit /etc/pf.conf", "run ",
    ]  # fmt: skip
    assert part.steps[-1].fields["argv"] == ["/sbin/pfctl", "-f", "/etc/pf.conf"]
    assert part.confirm == 60


VM = """vm "{name}" {{
	{disable}
	memory 1G
	disk "/var/vmm/{name}.qcow2"
	interface {{ switch "s" }}
}}
"""
SWITCH = 'switch "s" {\n\tinterface veb42\n}\n'
STATUS = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"


def conf(*names: str, disable: str = "disable", more: str = "") -> str:
    return SWITCH + "".join(VM.format(name=name, disable=disable) for name in names) + more


def vmd(text: str) -> Document:
    vm_conf = {"path": "/etc/vm.conf", "template": "v", "service": "vmd", "shows": []}
    return wants("vmd", vm_conf={**vm_conf, "validate": "vmd -n -f {path}"}, texts={"v": text})


def on_vmd(*running: str) -> dict[str, tuple[int, str]]:
    lines = (
        f"{number:5d} {number:5d}     1    1.0G    300M   ttyp0         mira  running {name}\n"
        for number, name in enumerate(running, 1)
    )
    return {"vmctl status": (0, STATUS + "".join(lines)), **service("vmd")}


def vm_history(*texts: str, before: str | None = None, running: tuple[str, ...] = ()) -> History:
    things = {"/etc/vm.conf": before} if before else {}
    history = History(Server(things, on_vmd(*running)))
    for text in texts:
        history.run(vmd(text))
    return history


def test_vmd_reads_its_file_again_and_shows_its_vms() -> None:
    history = vm_history(conf("a"), conf("a", "b"), running=("a",))
    part = history.back(1)
    argvs = [" ".join(map(str, step.fields["argv"])) for step in part.steps if step.do == "run"]
    assert argvs[1:] == ["/sbin/ifconfig veb42", "/usr/sbin/vmctl reload"]
    assert part.steps[-1].fields["match"] == [r"\sa$"]
    assert history.files()["/etc/vm.conf"].data.decode() == conf("a")


def test_a_vm_that_runs_with_another_definition_waits_for_a_restart() -> None:
    history = vm_history(conf("a"), conf("a").replace("1G", "2G"), running=("a",))
    assert history.plan(1).pending == ("a",)


def test_no_vm_that_runs_vanishes() -> None:
    history = vm_history(conf("a"), conf("a", "b"), running=("b",))
    with pytest.raises(PlanError, match=r"/etc/vm\.conf: b runs, and the old file does not"):
        history.plan(1)
    with pytest.raises(PlanError, match=r"/etc/vm\.conf: b runs"):
        history.plan(0)
    history.server = history.server.plus(outputs=on_vmd())
    assert words(history.plan(0)) == ["remove /etc/vm.conf"]


def test_no_vm_is_started() -> None:
    history = vm_history(conf("a"), before=conf("a", disable="enable"))
    with pytest.raises(PlanError, match="has a without disable, so that vmd"):
        history.plan(0)
    history.server = history.server.plus(outputs=on_vmd("a"))
    assert history.plan(0).steps
    history = vm_history(conf("a"), before="vm { {")
    with pytest.raises(PlanError, match="cannot be read"):
        history.plan(0)


def test_no_vm_that_runs_loses_its_address() -> None:
    history = History(Server({}, {**on_vmd("b"), **service("dhcpd")}))
    host = "host {0} {{ hardware ethernet fe:e1:bb:00:00:0{1}; }}\n"
    for text in (host.format("a", 1), host.format("a", 1) + host.format("b", 2)):
        history.run(wants("dhcpd", files=[{"path": "/etc/dhcpd.conf", "content": text}]))
    with pytest.raises(PlanError, match=r"/etc/dhcpd\.conf: b runs"):
        history.plan(1)


def test_what_holds_from_the_next_boot_on_is_named() -> None:
    history = History(Server({}, {}))
    for text in ("up\n", "down\n"):
        history.run(wants("x", files=[{"path": "/etc/hostname.veb42", "content": text}]))
    said = [str(notice) for notice in history.plan(1).warnings]
    assert said == [
        "/etc/hostname.veb42: takes effect at the next boot: it is about the kernel's state"
    ]
