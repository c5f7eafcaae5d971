# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""plan(): current and desired in, steps out."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError, Step, digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Account,
    Directory,
    Document,
    DocumentError,
    File,
    Firmware,
    Image,
    Line,
    Service,
    argv,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import (
    Current,
    PathFacts,
    ServiceFacts,
    UserFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import needs
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.files import (
    add_line,
    set_line,
)

ETC = PathFacts("directory", "0755", "root", "wheel", 512)


def facts(content: bytes, mode: str = "0644", owner: str = "root") -> PathFacts:
    return PathFacts("file", mode, owner, "wheel", len(content), digest(content))


def now(paths: t.Mapping[str, PathFacts | None] | None = None, **more: t.Any) -> Current:
    return Current(paths={"/etc": ETC, "/var": ETC, **(paths or {})}, **more)


def brief(step: Step) -> str:
    """A step in a word or two: what it does, and to what or with which command."""
    if step.do in ("run", "wait"):
        words = [word if isinstance(word, str) else "{path}" for word in step.fields["argv"]]
        words[0] = words[0].rpartition("/")[2]
        return f"{step.do} {' '.join(words)}"
    return f"{step.do} {step.fields['path']}"


CONF = File("/etc/x.conf", b"new\n")
CHECKED = dataclasses.replace(CONF, validate="dhcpd -n -c {path}")
OWNER = Account("puffy", ("vmdusers",), ("ssh-ed25519 AAAA",))
KEYS = b"ssh-ed25519 AAAA\n"
HAS_KEYS = {
    "/etc/ssh": ETC,
    "/etc/ssh/owners": dataclasses.replace(ETC, mode="0711"),
    "/etc/ssh/owners/puffy": facts(KEYS),
}
ROSTER = "/var/db/puffy.vmm.owners"


def listed(*names: str, groups: tuple[str, ...] = (), shell: str = "/bin/ksh") -> Current:
    """A server whose roster lists puffy, and which has the accounts of these names."""
    return now(
        {"/var/db": ETC, ROSTER: facts(b"puffy\n"), **HAS_KEYS},
        read={ROSTER: b"puffy\n"},
        groups={"vmdusers": ()},
        users={name: UserFacts(f"/home/{name}", shell, name, groups) for name in names},
    )


DHCPD = Service("dhcpd", flags="vport42")
UP = ServiceFacts(enabled=True, running=True, flags="vport42")
DHCPD_IS_FINE = ["wait rcctl check dhcpd"]

BIOS = Firmware("/etc/firmware/vmm-bios", "vmm")
VMD = Service("vmd", on_change="reload")
RUNFILE = "/var/run/rc.d/httpd"

CASES: dict[str, tuple[Document, Current, list[str], list[str]]] = {
    "a file that is as wanted": (
        Document("r", files=(CONF,)), now({"/etc/x.conf": facts(b"new\n")}), [], [],
    ),
    "a missing file": (
        Document("r", files=(CONF,)), now({"/etc/x.conf": None}),
        ["create /etc/x.conf"], ["stage /etc/x.conf", "commit /etc/x.conf"],
    ),
    "other content, with a checker": (
        Document("r", files=(CHECKED,)), now({"/etc/x.conf": facts(b"old\n")}),
        ["change /etc/x.conf"],
        ["stage /etc/x.conf", "run dhcpd -n -c {path}", "commit /etc/x.conf"],
    ),
    "only the mode differs": (
        Document("r", files=(CONF,)), now({"/etc/x.conf": facts(b"new\n", "0600")}),
        ["change mode or owner of /etc/x.conf"], ["attributes /etc/x.conf"],
    ),
    "all files are staged and checked before any is put in place": (
        Document("r", files=(CHECKED, File("/etc/y.conf", b"y"))), now(),
        ["create /etc/x.conf", "create /etc/y.conf"],
        ["stage /etc/x.conf", "run dhcpd -n -c {path}", "stage /etc/y.conf",
         "commit /etc/x.conf", "commit /etc/y.conf"],
    ),
    "directories, parents first, and strays": (
        Document(
            "r",
            directories=(Directory("/var/a/b"), Directory("/var/a", purge="*.conf")),
            files=(File("/var/a/keep.conf", b""),),
        ),
        now({"/var/a": dataclasses.replace(ETC, mode="0700"), "/var/a/keep.conf": facts(b"")},
            entries={"/var/a": (".hidden.conf", "keep.conf", "note", "stray.conf")}),
        ["change mode or owner of /var/a", "create directory /var/a/b", "remove /var/a/stray.conf"],
        ["directory /var/a", "directory /var/a/b", "remove /var/a/stray.conf"],
    ),
    "an image is made once, whole, and never touched again": (
        Document("r", images=(Image("/var/a.img", "1G", "raw"), Image("/var/b.img", "1G", "raw"))),
        now({"/var/a.img": facts(b"data")}),
        ["create image /var/b.img (1G, raw)"],
        ["run rm -f /var/.new-b.img", "run vmctl create -s 1G raw:/var/.new-b.img",
         "rename /var/b.img"],
    ),
    "device nodes, by one MAKEDEV": (
        Document("r", devices=("tap3", "tap4", "tap5")),
        now({"/dev/tap3": PathFacts("character device", "0600", "root", "wheel", 0),
             "/dev/tap4": PathFacts("file", "0644", "root", "wheel", 9)}),
        ["make device nodes tap4 tap5"],
        ["run sh MAKEDEV tap4 tap5", "expect /dev/tap4", "expect /dev/tap5"],
    ),
    "a kernel variable, set, read back and kept": (
        Document("r", sysctls={"net.inet.ip.arpq.maxlen": "256"}),
        now({"/etc/sysctl.conf": None}, sysctls={"net.inet.ip.arpq.maxlen": "50"}),
        ["create /etc/sysctl.conf", "set net.inet.ip.arpq.maxlen from 50 to 256"],
        ["stage /etc/sysctl.conf", "commit /etc/sysctl.conf",
         "run sysctl net.inet.ip.arpq.maxlen=256", "wait sysctl -n net.inet.ip.arpq.maxlen"],
    ),
    "a new owner": (
        Document("r", groups=("vmdusers",), accounts=(OWNER,)), now({"/etc/ssh": ETC}),
        ["create group vmdusers", "create account puffy", "create directory /etc/ssh/owners",
         "create /etc/ssh/owners/puffy"],
        ["run groupadd vmdusers",
         "run useradd -m -g =uid -G vmdusers -s /bin/ksh -c puffy puffy",
         "directory /etc/ssh/owners",
         "stage /etc/ssh/owners/puffy", "commit /etc/ssh/owners/puffy"],
    ),
    "an owner with other keys": (
        Document("r", accounts=(OWNER,)),
        now({**HAS_KEYS, "/etc/ssh/owners/puffy": facts(b"")},
            users={"puffy": UserFacts("/home/puffy", "/bin/ksh", "puffy", ("vmdusers",))}),
        ["change /etc/ssh/owners/puffy"],
        ["stage /etc/ssh/owners/puffy", "commit /etc/ssh/owners/puffy"],
    ),
    "an owner without a VM": (
        Document("r", groups=("vmdusers",), roster=ROSTER),
        listed("puffy", groups=("www", "vmdusers")),
        ["lock account puffy"], ["run usermod -Z -S www puffy"],
    ),
    "one that is locked already": (
        Document("r", groups=("vmdusers",), roster=ROSTER), listed("puffy", shell="/bin/ksh-"),
        [], [],
    ),
    "one that somebody unlocked": (
        Document("r", groups=("vmdusers",), roster=ROSTER), listed("puffy"),
        ["lock account puffy"], ["run usermod -Z -S  puffy"],
    ),
    "one that became an operator": (
        Document("r", groups=("vmdusers",), roster=ROSTER),
        listed("puffy", groups=("vmdusers", "wheel")),
        [f"change {ROSTER}"], [f"stage {ROSTER}", f"commit {ROSTER}"],
    ),
    "one that is gone": (
        Document("r", groups=("vmdusers",), roster=ROSTER), listed(),
        [f"change {ROSTER}"], [f"stage {ROSTER}", f"commit {ROSTER}"],
    ),
    "an owner who has a VM again": (
        Document("r", groups=("vmdusers",), accounts=(OWNER,), roster=ROSTER),
        listed("puffy", shell="/bin/ksh-", groups=("www",)),
        ["unlock account puffy"], ["run usermod -U -G vmdusers puffy"],
    ),
    "an owner whom somebody took out of the group": (
        Document("r", groups=("vmdusers",), accounts=(OWNER,), roster=ROSTER), listed("puffy"),
        ["add account puffy to vmdusers"], ["run usermod -G vmdusers puffy"],
    ),
    "a service that is as wanted": (
        Document("r", services=(DHCPD,)), now(services={"dhcpd": UP}), [], [],
    ),
    "a service that was never used": (
        Document("r", services=(DHCPD,)), now(services={"dhcpd": ServiceFacts()}),
        ["enable dhcpd", "set flags of dhcpd to vport42", "start dhcpd"],
        ["run rcctl enable dhcpd", "run rcctl set dhcpd flags vport42", "run rcctl start dhcpd",
         *DHCPD_IS_FINE],
    ),
    "a changed file restarts": (
        Document("r", files=(CONF,), services=(DHCPD,)), now(services={"dhcpd": UP}),
        ["create /etc/x.conf", "restart dhcpd"],
        ["stage /etc/x.conf", "commit /etc/x.conf", "run rcctl restart dhcpd", *DHCPD_IS_FINE],
    ),
    "changed flags need a restart where a file would only need a reload": (
        Document("r", services=(Service("httpd", flags="-v", on_change="reload"),)),
        now(services={"httpd": UP}),
        ["set flags of httpd to -v", "restart httpd"],
        ["run rcctl set httpd flags -v", "run rcctl restart httpd", "wait rcctl check httpd"],
    ),
    "vmd is reloaded by vmctl and judged by what it shows": (
        Document("r", files=(CONF,), interfaces=("veb0",),
                 services=(Service("vmd", on_change="reload", timeout=600, shows=("web1",)),)),
        now(services={"vmd": ServiceFacts(enabled=True, running=True)},
            interfaces=frozenset({"veb0"})),
        ["create /etc/x.conf", "set timeout of vmd to 600", "reload vmd"],
        ["stage /etc/x.conf", "commit /etc/x.conf", "run ifconfig veb0",
         "run rcctl set vmd timeout 600", "run vmctl reload", "wait rcctl check vmd",
         "wait vmctl status"],
    ),
    "a running service's time limit is in rc.subr's own record, and nothing restarts for it": (
        Document("r", services=(Service("httpd", timeout=60),)),
        now({RUNFILE: facts(b"daemon_flags=\ndaemon_timeout=30\n"), "/var/run/rc.d": ETC},
            read={RUNFILE: b"daemon_flags=\ndaemon_timeout=30\n"},
            services={"httpd": dataclasses.replace(UP, timeout=60)}),
        [f"change {RUNFILE} (httpd runs with another time limit)"],
        [f"stage {RUNFILE}", f"commit {RUNFILE}"],
    ),
    "a service that shall rest": (
        Document("r", services=(Service("httpd", enabled=False, running=False),)),
        now(services={"httpd": UP}),
        ["disable httpd", "stop httpd"], ["run rcctl disable httpd", "run rcctl stop httpd"],
    ),
    "what a change brings is told": (
        Document("r", files=(dataclasses.replace(CONF, note="later"),)), now(),
        ["create /etc/x.conf (later)"], ["stage /etc/x.conf", "commit /etc/x.conf"],
    ),
    "a line of a script that is not there yet": (
        Document("r", lines=(Line("/etc/rc.local", "run this"),)), now({"/etc/rc.local": None}),
        ["create /etc/rc.local"], ["stage /etc/rc.local", "commit /etc/rc.local"],
    ),
    "a line that is there": (
        Document("r", lines=(Line("/etc/rc.local", "run this"),)),
        now({"/etc/rc.local": facts(b"run this\n", "0600")},
            read={"/etc/rc.local": b"run this\n"}),
        [], [],
    ),
    "firmware that is there": (
        Document("r", firmware=(BIOS,)), now({BIOS.path: facts(b"bios")}), [], [],
    ),
    "firmware comes before anything else of all documents": (
        Document("r", files=(CONF,), firmware=(BIOS,)), now(),
        ["fetch firmware vmm", "create /etc/x.conf"],
        ["run fw_update vmm", f"expect {BIOS.path}", "stage /etc/x.conf", "commit /etc/x.conf"],
    ),
    "firmware from a mirror": (
        Document("r", firmware=(dataclasses.replace(BIOS, source="http://a/7.8"),)), now(),
        ["fetch firmware vmm"], ["run fw_update -p http://a/7.8 vmm", f"expect {BIOS.path}"],
    ),
    "firmware that nobody waits for": (
        Document("r", firmware=(dataclasses.replace(BIOS, missing="ignore"),)), now(), [], [],
    ),
    "without vmm(4), all is done but to start vmd": (
        Document("r", vmm="optional", services=(VMD, Service("httpd", flags="vport42"))),
        now(vmm=False, services={"vmd": ServiceFacts(), "httpd": UP}),
        ["enable vmd"], ["run rcctl enable vmd"],
    ),
    "with vmm(4), it is started": (
        Document("r", vmm="optional", services=(VMD,)), now(services={"vmd": ServiceFacts()}),
        ["enable vmd", "start vmd"],
        ["run rcctl enable vmd", "run rcctl start vmd", "wait rcctl check vmd"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    document, current, changes, steps = CASES[name]
    made = plan([document], current)
    assert list(made.changes) == changes
    assert [brief(step) for step in made.steps] == steps


REFUSALS: dict[str, tuple[Document, Current, str]] = {
    "another system": (Document("r"), now(system="Linux"), "runs Linux, not OpenBSD"),
    "a link in a file's place": (
        Document("r", files=(CONF,)),
        now({"/etc/x.conf": PathFacts("link", "0755", "root", "wheel", 4)}),
        "r: /etc/x.conf is a link, no file; move it away",
    ),
    "no parent": (
        Document("r", files=(File("/opt/x", b""),)), now(), "there is no directory /opt",
    ),
    "an image that is no file": (
        Document("r", images=(Image("/var/a.img", "1G", "raw"),)), now({"/var/a.img": ETC}),
        "vmd takes only files as images",
    ),
    "a switch's interface is missing": (
        Document("r", interfaces=("veb0",)), now(), "there is no interface veb0 on this server",
    ),
    "an unknown service": (
        Document("r", services=(Service("nosuch"),)), now(), "no service nosuch",
    ),
    "an unknown kernel variable": (
        Document("r", sysctls={"net.nosuch": "1"}), now(), "kernel has no such variable",
    ),
    "an operator's account": (
        Document("r", accounts=(OWNER,)),
        now(users={"puffy": UserFacts("/home/puffy", "/bin/ksh", "puffy", ("vmdusers", "wheel"))}),
        "is in group wheel, so it is not an owner's",
    ),
    "somebody else's account": (
        Document("r", accounts=(OWNER,)),
        now(users={"puffy": UserFacts("/home/puffy", "/bin/ksh", "puffy")}),
        "is not in group vmdusers",
    ),
    "an account whose primary group is wheel": (
        Document("r", accounts=(OWNER,)),
        now(users={"puffy": UserFacts("/home/puffy", "/bin/ksh", "wheel", ("vmdusers",))}),
        "is in group wheel",
    ),
    "vmm(4) is required and cannot be used": (
        Document("r", files=(CONF,), vmm="required"), now(vmm=False),
        "r: this server has no usable vmm(4), so vmd(8) cannot run",
    ),
    "firmware is missing, and nobody shall fetch it": (
        Document("r", firmware=(dataclasses.replace(BIOS, missing="fail"),)), now(),
        "r: /etc/firmware/vmm-bios is missing on this server; VMs cannot start from their disks",
    ),
    "vmd shall stop": (
        Document("r", services=(Service("vmd", running=False, on_change="reload"),)),
        now(services={"vmd": ServiceFacts(enabled=True, running=True)}),
        "would stop every VM",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_plan_refuses(name: str) -> None:
    document, current, text = REFUSALS[name]
    with pytest.raises(PlanError) as error:
        plan([document], current)
    assert text in str(error.value)


def test_a_group_that_libc_would_not_find_any_more_is_a_login_group() -> None:
    members = tuple(f"owner{number:03}" for number in range(109))
    full = {"vmdusers": members}
    others = [dataclasses.replace(OWNER, name=f"late{number:05}") for number in range(6)]
    current = now({"/etc/ssh": ETC}, groups=full)
    made = plan([Document("r", groups=("vmdusers",), accounts=tuple(others))], current)
    options = [brief(step).split(" -s ")[0] for step in made.steps if "useradd" in brief(step)]
    fit = "run useradd -m -g =uid -G vmdusers"
    assert options == [fit] * 2 + ["run useradd -m -g vmdusers"] * 4
    line = ",".join([*members, "late00000", "late00001"])
    assert len(f"vmdusers:*:65536:{line}\n") < 1024 <= len(f"vmdusers:*:65536:{line},late00002\n")
    user = UserFacts("/home/puffy", "/bin/ksh-", "puffy", ())
    document = Document("r", groups=("vmdusers",), accounts=(OWNER,), roster="/etc/r")
    more: dict[str, t.Any] = {
        "groups": {"vmdusers": (*members, "x" * 40)},
        "read": {"/etc/r": b"puffy\n"},
    }
    with pytest.raises(PlanError, match="usermod -g vmdusers puffy"):
        plan([document], now(HAS_KEYS, users={"puffy": user}, **more))
    # Locked with its login group, it comes back without joining anything.
    user = dataclasses.replace(user, group="vmdusers")
    steps = plan([document], now(HAS_KEYS, users={"puffy": user}, **more)).steps
    assert "run usermod -U puffy" in [brief(step) for step in steps]


def test_keys_are_files_of_root_and_a_home_that_was_used_stays() -> None:
    document = Document("r", groups=("vmdusers",), accounts=(OWNER,))
    steps = plan([document], now({"/etc/ssh": ETC})).steps
    placed = [step.fields for step in steps if step.do in ("directory", "stage")]
    assert [(one["owner"], one["group"], one["mode"]) for one in placed] == [
        ("root", "wheel", "0711"), ("root", "wheel", "0644"),
    ]  # fmt: skip
    (add,) = (step for step in steps if "useradd" in brief(step))
    (back,) = add.fields["undo"]
    assert back["argv"] == ["/usr/sbin/userdel", "-r", "puffy"]
    assert back["unused"] == {"path": "/home/puffy", "like": "/etc/skel"}


def test_a_service_that_fails_is_brought_back() -> None:
    document = Document("r", files=(CONF,), services=(DHCPD,))
    steps = plan([document], now(services={"dhcpd": UP})).steps
    (restart,) = (step for step in steps if brief(step) == "run rcctl restart dhcpd")
    back = [" ".join(item["argv"]) for item in restart.fields["undo"]]
    assert back == ["/usr/sbin/rcctl restart dhcpd", "/usr/sbin/rcctl start dhcpd"]
    assert restart.fields["undo_always"]


def test_every_call_of_vmctl_and_rcctl_has_a_time_limit() -> None:
    for document, current, _changes, _steps in CASES.values():
        for step in plan([document], current).steps:
            if step.do == "run":
                assert step.fields.get("timeout", 60) <= 600


LINES = {
    "": "key=1\n",
    "# comment\nother=2": "# comment\nother=2\nkey=1\n",
    "key=0\nother=2\n": "key=1\nother=2\n",
    "key=0": "key=1",
    "key=3\nkey=0\n": "key=3\nkey=1\n",
    "key=1\nkey=\n": "key=1\nkey=1\n",
    "key=0\nkey=1\n": "key=0\nkey=1\n",
    "#key=0\nkeyed=4\n": "#key=0\nkeyed=4\nkey=1\n",
    "key=1 # as it was\n": "key=1 # as it was\n",
    "key=1# as it was\n": "key=1# as it was\n",
    "key=0\t# why\n": "key=1\t# why\n",
    "key=0 1\n": "key=1\n",
    # sysctl(8) takes no value from these, as it reads a line.
    "key = 1\n": "key = 1\nkey=1\n",
    " key=1\n": " key=1\nkey=1\n",
    "key\n": "key\nkey=1\n",
    "key=1\r\nother=2\r\n": "key=1\nother=2\r\n",
    "other=2\x0c\u2028x\n\n": "other=2\x0c\u2028x\n\nkey=1\n",
    "key=1": "key=1",
}


@pytest.mark.parametrize("text", LINES)
def test_set_line(text: str) -> None:
    assert set_line(text, Line("/etc/sysctl.conf", "key=1", "key")) == LINES[text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x\n"),
        ("a\n", "a\nx\n"),
        ("a", "a\nx\n"),
        ("a\n\n\n", "a\nx\n\n\n"),
        ("x\na\n", "x\na\n"),
        ("a\nx", "a\nx"),
        ("#x\n x\n", "#x\n x\nx\n"),
        # What follows an exit would never run.
        ("a\nexit 0\n", "a\nx\nexit 0\n"),
        ("a\nexit\n\n", "a\nx\nexit\n\n"),
        ("exit", "x\nexit\n"),
        ("if a; then exit 1; fi\n", "if a; then exit 1; fi\nx\n"),
        ("exit_code=1\n", "exit_code=1\nx\n"),
        ("a\x0cb\r\n", "a\x0cb\r\nx\n"),
    ],
)
def test_add_line(text: str, expected: str) -> None:
    assert add_line(text, "x") == expected
    assert add_line(expected, "x") == expected


@pytest.mark.parametrize(
    ("vmm", "there", "warned"),
    [
        (True, True, []),
        (False, True, ["r: this server has no usable vmm(4)"]),
        (True, False, ["r: /etc/firmware/vmm-bios is missing: VMs can be installed, but none"]),
    ],
)
def test_what_is_not_there_but_not_needed_is_told(
    vmm: bool, there: bool, warned: list[str]
) -> None:
    document = Document(
        "r", vmm="optional", firmware=(dataclasses.replace(BIOS, missing="ignore"),)
    )
    current = now({BIOS.path: facts(b"bios") if there else None}, vmm=vmm)
    told = list(needs.warnings([document], current))
    assert len(told) == len(warned)
    assert all(text.startswith(begin) for text, begin in zip(told, warned, strict=True))


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (Document("r", files=(CONF, CONF)), "/etc/x.conf is wanted a second time"),
        (Document("r", files=(File("etc/x", b""),)), "is no path for a server"),
        (Document("r", files=(File("/etc/../x", b""),)), "is no path for a server"),
        (Document("r", files=(File("/etc/a\nb", b""),)), "is no path for a server"),
        (Document("r", services=(Service("vmd"),)), "would stop every VM; use reload"),
    ],
)
def test_documents_that_cannot_be_meant(document: Document, text: str) -> None:
    with pytest.raises(DocumentError) as error:
        check([document])
    assert text in str(error.value)


def test_commands_are_split_without_a_shell() -> None:
    assert argv("vmd -n -f {path}") == ("/usr/sbin/vmd", "-n", "-f", "{path}")
    assert argv("/bin/echo 'a b' ; rm") == ("/bin/echo", "a b", ";", "rm")
    for command, text in {"nosuch x": "no known program", "": "empty", "'": "no command"}.items():
        with pytest.raises(DocumentError, match=text):
            argv(command)
