# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmd's parser: every file that a real vmd was asked about, and what its source says beyond."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sandbox import bare
from sandbox.machine import Machine
from sandbox.model import vm_conf_parser, vm_conf_values
from sandbox.model.vm_conf import Disk, Identity, Nic, Result, Session, Settings, Switch, Vm

SWITCH = 'switch "uplink" {\n\tinterface veb42\n}\n'
VM = 'vm "web1" {\n\tdisk "/web1.img"\n}\n'


@dataclass
class World:
    files: dict[str, str] = field(
        default_factory=lambda: {"/web1.img": "", "/web2.img": "QFI\xfb", "/bsd": ""}
    )

    def read(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[path]

    def realpath(self, path: str) -> str:
        self.read(path)
        return path

    def is_qcow2(self, path: str) -> bool:
        return self.files[path].startswith("QFI\xfb")

    def user(self, name: str) -> int | None:
        return {"root": 0, "puffy": 1001}.get(name)

    def group(self, name: str) -> int | None:
        return {"wheel": 0, "vmdusers": 1003}.get(name)


def parse(text: str, session: Session | None = None, **files: str) -> Result:
    world = World()
    world.files.update({f"/{name}": content for name, content in files.items()})
    return vm_conf_parser.parse("f", text, world, session)


def only_vm(text: str) -> Vm:
    result = parse(text)
    assert result.log == []
    assert result.ok
    ((vm, _),) = result.vms
    return vm


def steps() -> list[tuple[str, str, int, str]]:
    """Command, the file it is about, exit status and standard error."""
    files: dict[str, str] = {}
    found = []
    for step in bare.transcript("vmd-n"):
        if "write" in step:
            files[step["write"]] = step["content"]
        else:
            command = step["run"].partition(";")[0]
            rc = 0 if "echo rc" in step["run"] else step["rc"]
            found.append((command, files.get(command.split()[-1], ""), rc, step["stderr"]))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = bare.machine(bare.plant(tmp_path_factory.mktemp("server")))
    for size, name in ((64, "web1.img"), (1024, "web2.qcow2")):
        machine.run(f"vmctl create -s {size}M /var/vmm/{name}")
    return machine


@pytest.mark.parametrize(("command", "content", "rc", "stderr"), steps())
def test_transcripts(server: Machine, command: str, content: str, rc: int, stderr: str) -> None:
    if content:
        server.files.write_bytes(command.rsplit(maxsplit=1)[-1], content.encode())
    result = server.run(command)
    assert (result.stderr, result.rc, result.stdout) == (stderr, rc, "")


@pytest.mark.parametrize(
    ("words", "rc", "stderr"),
    [
        ("-D img=/var/vmm/web1.img", 0, "configuration OK\n"),
        ("-D img=a=/var/vmm/web1.img", 1, None),
        ("-D img", 1, None),
        ("-x", 1, "vmd: unknown option -- x\nusage: vmd [-dnv] [-D macro=value] [-f file]\n"),
        ("more", 1, "usage: vmd [-dnv] [-D macro=value] [-f file]\n"),
    ],
)
def test_the_command_line(server: Machine, words: str, rc: int, stderr: str | None) -> None:
    server.files.write_text("/tmp/macro.conf", 'vm "a" {\n\tdisk $img\n}\n')
    result = server.run(f"vmd -n -f /tmp/macro.conf {words}")
    undefined = "vmd: /tmp/macro.conf:2: macro 'img' not defined"
    assert result.rc == rc
    if stderr is None:
        assert undefined in result.stderr
        assert ("could not parse macro definition img\n" in result.stderr) == (words == "-D img")
    else:
        assert result.stderr == stderr


def test_a_user_needs_to_read_the_file(server: Machine) -> None:
    server.root.chmod(0o755)
    server.files.write_text("/tmp/secret.conf", "", 0o600)
    puffy = bare.Shell(server, bare.PUFFY, "puffy")
    result = puffy("vmd -n -f /tmp/secret.conf")
    assert result.stderr == "vmd: failed to open /tmp/secret.conf: Permission denied\n"
    assert result.rc == 1
    assert puffy("vmd").stderr == "vmd: need root privileges\n"


def test_there_are_as_many_files_as_in_the_transcripts() -> None:
    assert len(steps()) == 52


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("web1", "web1"),
        ("'web1'", "web1"),
        ('"we\'b"', "we'b"),
        ('"we\\"b"', 'we"b'),
        ('"we\\\\b"', "we\\\\b"),
        ('"we\\tb"', "we\\tb"),
        ('"we\\ b"', "we b"),
        ('"we\nb"', "web"),
        ('"we\\\nb"', "web"),
        ('"a" "b"', "ab"),
        ("a.b-c_d|e", "a.b-c_d|e"),
        ("512M", "512M"),
        ('"disk"', "disk"),
        ("disks", "disks"),
        ("\\web", "web"),
        ('"we\x01\x02b"', "web"),
        ("_1", "_1"),
        ("a$b", "a$b"),
    ],
)
def test_names(token: str, name: str) -> None:
    assert only_vm(f'vm {token} {{\n\tdisk "/web1.img"\n}}\n').name == name


@pytest.mark.parametrize(
    ("token", "line"),
    [("disk", 1), ("5", 1), ("-web", 1), (".web", 1), ("we=b", 1), ('"a\\"', 2), ("@", 1), ("", 1)],
)
def test_what_is_no_name(token: str, line: int) -> None:
    result = parse(f'vm {token} {{\n\tdisk "/web1.img"\n}}\n')
    assert not result.ok
    assert result.log[0] == f"f:{line}: syntax error"


def test_end_of_file_within_quotes() -> None:
    result = parse('vm "web1 {\n')
    assert result.log == [
        "f:1: reached end of file while parsing quoted string",
        "f:1: syntax error",
    ]


def test_a_token_that_is_too_long() -> None:
    assert parse(f'vm "{"a" * 8095}"\n').log[0] == "f:1: string too long"
    assert parse(f'vm "{"a" * 8094}" {{\n').log[0] == "f:1: vm name too long"


@pytest.mark.parametrize("digits", ["9223372036854775808", "-9223372036854775809"])
def test_a_number_that_is_too_large(digits: str) -> None:
    reason = "small" if digits.startswith("-") else "large"
    message = f'f:2: "{digits}" invalid number: too {reason}'
    assert parse(f'vm "a" {{\n\tmemory {digits}\n}}\n').log[0] == message


def test_a_comment_goes_on_after_a_backslash() -> None:
    assert only_vm(f"# one \\\nvm broken\n{VM}").name == "web1"


def test_a_macro_is_read_as_text() -> None:
    vm = only_vm('nic = "tap up"\nvm "a" {\n\tdisk "/web1.img"\n\tinterface $nic\n}\n')
    assert vm.nics == (Nic(tap="tap", up=True),)


def test_a_macro_in_a_macro_is_not_expanded() -> None:
    result = parse('a = "x"\nb = "$a"\nvm "c" {\n\tdisk $b\n}\n')
    assert result.log[0] == "f:4: syntax error"


def test_a_macro_of_the_command_line_wins() -> None:
    session = Session(macros={"img": "/web2.img", "unused": "1"})
    result = parse('img = "/web1.img"\nvm "a" {\n\tdisk $img\n}\n', session)
    assert result.vms[0][0].disks == (Disk("/web2.img", "qcow2"),)
    assert result.warnings == ["macro 'unused' not used"]


def test_a_word_may_go_on_in_the_next_line_and_counts_for_the_first() -> None:
    assert only_vm('vm we\\\nb1 {\n\tdisk "/web1.img"\n}\n').name == "web1"
    result = parse('vm "a" {\n\tinterface lladdr z\\\nz\n}\n')
    assert result.log[0] == "f:2: invalid address: zz\n"


def test_errors_after_an_error_are_told_once_three_tokens_are_read() -> None:
    junk = "junk\n"
    assert parse(junk * 4).log == ["f:1: syntax error"]
    good = "local inet6\n"
    assert parse(junk + good + junk).log == ["f:1: syntax error", "f:3: syntax error"]


def test_an_included_file_counts_its_own_lines_and_the_rest_goes_on() -> None:
    result = parse('include "/more"\nbad\n', more=f"{SWITCH}\nbad {{\n")
    assert result.log == ["/more:5: syntax error", "f:2: syntax error"]
    assert [switch.interface for switch in result.switches] == ["veb42"]


def test_the_last_line_of_an_included_file_needs_no_end() -> None:
    assert parse('include "/more"\n' + VM, more=SWITCH.rstrip()).ok


def test_a_boot_path_stays_when_its_block_fails() -> None:
    session = Session()
    assert not parse('vm "a" {\n\tboot "/bsd"\n\tnonsense\n}\n', session).ok
    assert parse(VM, session).vms[0][0].boot == "/bsd"
    assert parse(VM, session).vms[0][0].boot == ""


def test_a_boot_path_that_stayed_is_in_the_way() -> None:
    session = Session(boot="/bsd")
    assert parse('vm "a" {\n\tboot "/bsd"\n}\n', session).log == [
        "f:2: kernel specified more than once"
    ]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("interface em0", "invalid interface: em0"),
        ("interface tap1234567890123", "interface name too long: tap1234567890123"),
        ("interfaces 5", "too many interfaces: 5"),
        ("interfaces 1\ninterfaces 1", "interfaces specified more than once"),
        ("interface\n" * 5, "too many interfaces: 5"),
        ('cdrom "/a"\ncdrom "/b"', "cdrom specified more than once"),
        ("memory 1G\nmemory 2G", "argument specified more than once"),
        ("memory 1G\nmemory 2147483648", "memory specified more than once"),
        ("interface tap { rdomain 256 }", "invalid rdomain: 256"),
        ('interface tap { group "0123456789abcdef" }', "invalid group name: 0123456789abcdef"),
        (f'interface tap {{ switch "{"s" * 64}" }}', f"switch name too long: {'s' * 64}"),
        ("owner :nosuch", "failed to get group: nosuch"),
        ('owner "1000:1000"', "failed to get user: 1000"),
    ],
)
def test_what_is_refused_in_a_vm(option: str, message: str) -> None:
    log = parse(f'vm "a" {{\n{option}\n}}\n').log
    assert log[0].endswith(f": {message}")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ('local prefix "10.0.0.0/8"', ""),
        ('local prefix "10.1.2.0/16"', "invalid local prefix: bad mask"),
        ('local prefix "10.1.0.0/24"', "invalid local prefix: too large"),
        ('local prefix "10.1.0.0/x"', "invalid local prefix: invalid"),
        ('local prefix "fd00::/8"', "invalid local prefix: invalid format"),
        ('local inet6 prefix "fd00::/64"', ""),
        ('local inet6 prefix "fd00::/65"', "invalid local inet6 prefix: too large"),
        ("staggered start parallel 2 delay 5", ""),
        ('agentx context "c" path "/p"', ""),
        ('agentx path "p"', "agentx path is not absolute"),
        ("socket owner puffy", ""),
        ("socket owner 1001", ""),
    ],
)
def test_global_statements(statement: str, message: str) -> None:
    result = parse(f"{statement}\n")
    assert result.log == ([f"f:1: {message}"] if message else [])


def test_settings_stay_as_they_are_changed() -> None:
    session = Session()
    parse("socket owner :vmdusers\nstaggered start parallel 2 delay 5\n", session)
    parse("", session)
    expected = Settings(socket_owner=Identity(0, 1003), parallel=2, delay=5)
    assert session.settings == expected


def test_a_socket_of_a_user_belongs_to_group_wheel() -> None:
    session = Session()
    parse("socket owner puffy\n", session)
    assert session.settings.socket_owner == Identity(1001, 0)


def test_all_of_a_vm() -> None:
    vm = only_vm(
        'vm "a" {\n\tdisable\n\tmemory 1500K\n\towner puffy:vmdusers\n\tdisk "/web1.img"\n'
        '\tdisk "/web2.img"\n\tboot "/bsd"\n\tboot device net\n\tcdrom "/no"\n\tinterfaces 3\n'
        "\tlocal interface tap7 { locked lladdr FE:e1:bb:d1:c8:1 switch uplink\n group cust\n}\n"
        "\tinterface tap lladdr down, rdomain 7\n\tallow instance { boot, memory\n owner puffy }\n"
        "}\n"
    )
    assert vm == Vm(
        "a",
        given=frozenset({"memory", "disk", "kernel", "interface", "cdrom"}),
        disks=(Disk("/web1.img", "raw"), Disk("/web2.img", "qcow2")),
        nics=(
            Nic("tap7", "uplink", "cust", "fe:e1:bb:d1:c8:01", locked=True, local=True),
            Nic("tap", up=False, rdomain=7),
            Nic(),
        ),
        memory=1024**2,
        boot="/bsd",
        boot_device="net",
        cdrom="/no",
        owner=Identity(1001, 1003),
        allow=frozenset({"kernel", "memory"}),
        allow_owner=Identity(1001),
    )


def test_no_comma_after_the_first_option_of_an_interface() -> None:
    result = parse('vm "a" {\n\tinterface tap up, down\n}\n')
    assert result.log == ["f:2: syntax error"]


def test_all_of_a_switch() -> None:
    result = parse(
        'switch "s" {\n\tinterface bridge0\n\tgroup cust\n\tlocked lladdr\n\trdomain 3\n\tdown\n}\n'
        'switch "off" {\n\tdisable\n\tinterface veb1\n}\n'
    )
    assert result.switches == [Switch("s", "bridge0", "cust", True, 3, False)]


@pytest.mark.parametrize(
    ("value", "size"),
    [("1M", 1024**2), ("1.5g", 3 * 512 * 1024**2), (1024**2 + 5, 1024**2), ("128G", 128 * 1024**3)],
)
def test_memory(value: int | str, size: int) -> None:
    assert vm_conf_values.memory(value) == size
