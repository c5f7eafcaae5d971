# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Site sets: on the server, in the installer, and what install.site makes of a new system."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from integration.harness import CHECKOUT, Site, messages, provide_sets, recap, state

from sandbox.install_rig import FAILED, FILES, RESPONSE, Rig
from sandbox.server import Server

SETS = "/var/www/htdocs/amd64"
MAIL1 = "fe:e1:bb:d1:c6:99-install.conf"
RELEASE = ("-e", "vmm_release=7.8")
_ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
# Those of the example's mail1.
KEYS = (
    f"{_ED25519}PazF8i2eHif2fQVowohslU3QU9yUV7ixamrMlONLhiX mira@example.org",
    f"{_ED25519}E+R/xP9dSCpv5aqJjSjSjTs5XomMZwNnZ+vw6ApFrMn laptop of mira",
)
# What the installer makes before it runs install.site, as far as that script looks at it.
TTYS = """\
console	"/usr/libexec/getty std.9600"	vt220	off secure
tty00	"/usr/libexec/getty std.9600"	unknown off
tty01	"/usr/libexec/getty std.9600"	unknown off
"""
SSHD = "PermitRootLogin no\n#PasswordAuthentication yes\nSubsystem sftp /usr/libexec/sftp-server\n"


def put(site: Site, path: str, content: str, mode: int = 0o644) -> None:
    place = site.fleet / "site" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(mode)


def members(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        files = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: file.read() for name, file in files.items() if file}


def listed(server: Server) -> list[str]:
    return server.run(f"cd {SETS} && ls -d site* index.txt").stdout.decode().split()


def test_site_sets_of_a_server(site: Site) -> None:
    put(site, "common/etc/motd", "OpenBSD\n\nWelcome.\n")
    server = site.server1
    only = (*RELEASE, "--limit", "server1")
    check = site.play("site", *only, "--check", "--diff")
    assert check.returncode == 0, messages(check)
    site.converged(*only)
    assert listed(server) == ["index.txt", "site78.tgz"]
    files = members(server.read(f"{SETS}/site78.tgz"))
    assert files["etc/motd"] == b"OpenBSD\n\nWelcome.\n"
    before = state(server)

    for path in (site.fleet / "site").rglob("*"):
        path.touch()
    second = site.play("site", *only)
    assert recap(second, "server1")["changed"] == 0, messages(second)
    assert state(server) == before

    server.write(f"{SETS}/site78.tgz", b"\0drift")
    server.write(f"{SETS}/site78-gone.tgz", b"of a VM that was installed")
    check = site.play("site", *only, "--check", "--diff")
    assert f"change {SETS}/site78.tgz (not text: 6 and " in check.stdout, messages(check)
    assert f"remove {SETS}/site78-gone.tgz" in messages(check)
    assert listed(server) == ["index.txt", "site78-gone.tgz", "site78.tgz"]
    site.converged(*only)
    assert state(server) == before

    (site.fleet / "site/common/etc/link").symlink_to("/etc/shadow")
    refused = site.play("site", *only)
    assert refused.returncode != 0
    assert "site/common/etc/link: is a link to '/etc/shadow', which leads" in messages(refused)
    assert state(server) == before


def test_a_vm_has_its_own_set_while_it_installs(site: Site) -> None:
    server = site.server1
    site.converged(*RELEASE, "--limit", "server1")
    provide_sets(server)
    site.converged(*RELEASE, "--limit", "server1")
    put(site, "hosts/mail1/etc/motd", "mail\n")
    done = site.play("vm", "-e", "vm=mail1", *RELEASE)
    assert done.returncode == 0, messages(done)
    assert listed(server) == ["index.txt", "site78.tgz"]
    log = server.run("cat /var/www/logs/access.log").stdout.decode()
    assert "/pub/OpenBSD/7.8/amd64/site78-mail.tgz" in log


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def system(tmp_path: Path, shared: Path) -> Iterator[Server]:
    """A system as the installer leaves it, with a user."""
    server = Server(tmp_path, "web1", shared=shared).start()
    server.run("useradd -m -u 1000 -G wheel -p '$2b$08$abcdefghijklmnopqrstuu' mira")
    server.run(f"echo '{KEYS[0]}' >>/home/mira/.ssh/authorized_keys; rm -f /etc/boot.conf")
    server.write("/etc/installurl", "http://203.0.113.1/pub/OpenBSD\n")
    server.write("/etc/ttys", TTYS)
    server.write("/etc/ssh/sshd_config", SSHD)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> SetsOf:
    return SetsOf(tmp_path_factory)


class SetsOf:
    """What the role makes of variables for mail1, without any server: site sets, response file."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._usual: dict[str, bytes] = {}

    def __call__(self, *files: tuple[str, str], **variables: object) -> dict[str, bytes]:
        if files or variables:
            return self._made(files, variables)
        self._usual = self._usual or self._made((), {})
        return self._usual

    def _made(
        self, files: Iterable[tuple[str, str]], variables: Mapping[str, object]
    ) -> dict[str, bytes]:
        directory = self._factory.mktemp("render")
        for name in ("inventories/example", "fleets/example"):
            ignore = shutil.ignore_patterns("credentials")
            shutil.copytree(CHECKOUT / name, directory / name, ignore=ignore)
        site = Site(directory, {"server1": Server(directory, "server1")}, str(directory))
        for path, content in files:
            put(site, path, content, 0o755)
        options = {
            "vmm_release": "7.8",
            "vmm_installing": ["mail1"],
            "render_to": "out",
            **variables,
        }
        done = site.play("render", "-e", json.dumps(options))
        assert done.returncode == 0, messages(done)
        archives = [
            *directory.glob(f"out/server1{SETS}/*"),
            *directory.glob(f"out/server1{FILES}/*/*"),
        ]
        return {path.name: path.read_bytes() for path in archives}


@pytest.mark.parametrize("changed", ["", "base78.tgz", "site78.tgz"])
def test_the_response_file_agrees_to_site_sets_and_to_nothing_else(
    tmp_path: Path, sets: SetsOf, changed: str
) -> None:
    rig = Rig(tmp_path)
    for name, content in sets().items():
        path = RESPONSE if name.startswith(MAIL1) else f"{SETS}/{name}"
        rig.machine.files.write_bytes(path, content)
    if changed:
        rig.machine.files.write_bytes(f"{SETS}/{changed}", b"something else")
    end = rig.run()
    if not changed:
        assert end == "reboot"
        assert rig.disk.written[-1]["unverified"] == ["site78.tgz", "site78-mail.tgz"]
    else:
        questions = {"base78.tgz": "Checksum test for", "site78.tgz": "Installation of"}
        told = f"{questions[changed]} {changed} failed. Continue anyway? [no] no"
        assert (end, rig.tail(3)) == ("stuck", [told, *FAILED])


@pytest.mark.parametrize("site", [True, False])
def test_a_private_mirror_that_nobody_signs_is_agreed_to(
    tmp_path: Path, sets: SetsOf, site: bool
) -> None:
    rig = Rig(tmp_path)
    for name in ("SHA256", "SHA256.sig"):
        rig.machine.files.remove(f"{SETS}/{name}")
    for name, content in sets(sets_verify="none", autoinstall_site_sets=site).items():
        path = RESPONSE if name.startswith(MAIL1) else f"{SETS}/{name}"
        rig.machine.files.write_bytes(path, content)
    assert rig.run() == "reboot", rig.tail(8)
    installed = rig.disk.written[-1]["sets"]
    assert "base78.tgz" in installed
    assert [name for name in installed if name.startswith("site")] == (
        ["site78.tgz", "site78-mail.tgz"] if site else []
    )


@pytest.mark.parametrize("available", ["site78.tgz", "site78-mail.tgz", "both", "neither"])
def test_a_mirror_may_have_any_of_the_site_sets(
    tmp_path: Path, sets: SetsOf, available: str
) -> None:
    rig = Rig(tmp_path)
    built = sets()
    names = [name for name in ("site78.tgz", "site78-mail.tgz") if available in (name, "both")]
    for name in names:
        rig.machine.files.write_bytes(f"{SETS}/{name}", built[name])
    index = "".join(f"-rw-r--r--  1 root  wheel  1 Jan  1 00:00:00 2000 {name}\n" for name in names)
    rig.machine.files.write_text(f"{SETS}/index.txt", index)
    rendered = sets(autoinstall_site_sets=False, autoinstall_mirror_site_sets=True)
    (response,) = (text for name, text in rendered.items() if name.startswith(MAIL1))
    rig.machine.files.write_bytes(RESPONSE, response)
    assert rig.run() == "reboot", rig.tail(8)
    assert rig.disk.written[-1]["unverified"] == names


def unpack(server: Server, packed: dict[str, bytes]) -> None:
    """As install_files() of install.sub does, common set first."""
    for name in ("site78.tgz", "site78-mail.tgz"):
        server.write(f"/tmp/{name}", packed[name])
        done = server.run(f"tar -zxphf /tmp/{name} -C /")
        assert done.returncode == 0, done.stderr


def test_a_new_system_is_what_a_hosted_vm_needs(system: Server, sets: SetsOf) -> None:
    unpack(system, sets())
    done = system.run("/install.site")
    assert (done.returncode, done.stderr) == (0, b"")
    assert system.read("/home/mira/.ssh/authorized_keys").decode().splitlines() == list(KEYS)
    stat = "stat -f '%Sp %Su:%Sg' /home/mira/.ssh /home/mira/.ssh/authorized_keys /etc/doas.conf"
    assert system.run(stat).stdout.decode().splitlines() == [
        "drwx------ mira:mira", "-rw------- mira:mira", "-rw------- root:wheel",
    ]  # fmt: skip
    assert system.read("/etc/doas.conf") == b"permit persist :wheel\n"
    assert system.read("/etc/installurl") == b"https://cdn.openbsd.org/pub/OpenBSD\n"
    assert system.read("/etc/ssh/sshd_config").decode() == (
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n" + SSHD
    )
    assert system.read("/etc/boot.conf") == b"stty com0 115200\nset tty com0\n"
    lines = TTYS.splitlines()
    lines[1] = 'tty00	"/usr/libexec/getty std.115200"	vt220	on secure'
    assert system.read("/etc/ttys").decode().splitlines() == lines
    assert system.run("ls -d /install.site*").stdout == b"/install.site\n"


def test_a_user_without_a_password_is_not_asked_for_one(system: Server, sets: SetsOf) -> None:
    system.run("usermod -p '*************' mira")
    unpack(system, sets())
    assert system.run("/install.site").returncode == 0
    assert system.read("/etc/doas.conf") == b"permit persist :wheel\npermit nopass mira\n"


def test_a_system_without_a_user_has_nobody_to_set_up(system: Server, sets: SetsOf) -> None:
    system.run("userdel -r mira")
    unpack(system, sets())
    done = system.run("/install.site")
    assert (done.returncode, done.stderr) == (0, b"")
    assert system.read("/etc/doas.conf") == b"permit persist :wheel\n"


def test_each_step_can_be_left_out(system: Server, sets: SetsOf) -> None:
    unpack(
        system,
        sets(
            autoinstall_ssh_keys=False, autoinstall_doas="none", autoinstall_installurl="",
            autoinstall_sshd_passwords=True, autoinstall_console=False,
        ),
    )  # fmt: skip
    before = state(system)
    done = system.run("/install.site")
    assert (done.returncode, done.stderr) == (0, b"")
    after = state(system)
    assert set(before) - set(after) == {"/install.site.keys"}
    assert {path: after[path] for path in after} == {path: before[path] for path in after}


def test_what_the_operator_adds_wins_and_comes_last(system: Server, sets: SetsOf) -> None:
    packed = sets(
        ("common/etc/doas.conf", "permit nopass keepenv :wheel\n"),
        ("common/install.site.local", "#!/bin/sh\ncat /etc/installurl >/local\n"),
    )
    unpack(system, packed)
    assert system.run("/install.site").returncode == 0
    assert system.read("/etc/doas.conf") == b"permit nopass keepenv :wheel\n"
    assert system.read("/local") == b"https://cdn.openbsd.org/pub/OpenBSD\n"
    assert system.run("ls -d /install.site*").stdout == b"/install.site\n"


def test_a_step_that_fails_stops_the_installation(system: Server, sets: SetsOf) -> None:
    unpack(system, sets(("common/install.site.local", "#!/bin/sh\nexit 3\n")))
    assert system.run("/install.site").returncode == 3


def test_the_last_step_calls_the_server_in_the_network_of_the_vm(
    system: Server, sets: SetsOf
) -> None:
    unpack(system, sets())
    lease = "version: 2\nip: 10.9.0.7\nnext-server: 10.9.0.1\nfilename: x\n"
    system.run("mkdir -p /var/db/dhcpleased")
    system.write("/var/db/dhcpleased/vio0", lease)
    # A server at that address is not needed to see what is asked for.
    done = system.run("sed 's,^ftp .* -o /dev/null \\([^ ]*\\) .*,echo \\1,' /install.site | sh -s")
    called = b"http://10.9.0.1/pub/OpenBSD/7.8/amd64/index.txt?installed\n"
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", called)


@pytest.mark.parametrize("doas", ["password", "nopass", "none"])
def test_the_script_is_plain_sh(tmp_path: Path, sets: SetsOf, doas: str) -> None:
    script = tmp_path / "install.site"
    packed = sets(autoinstall_doas=doas, autoinstall_console=doas == "password")
    script.write_bytes(members(packed["site78.tgz"])["install.site"])
    for words in (["shellcheck", "-s", "sh"], ["mksh", "-n"], ["dash", "-n"]):
        done = subprocess.run([*words, script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
