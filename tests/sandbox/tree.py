# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The root of a server that has just been installed, as far as an operator's tools look at it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from .base import LIBEXEC
from .files import Files
from .machine import Machine
from .model.rc_scripts import ON, SCRIPTS
from .model.sets import public_key

DATA = Path(__file__).parent / "data"
_TAPS = 4
_TAP_MAJOR = 93
_VMM, _VMM_MAJOR = "/dev/vmm", 10
# Nodes that are the host's own in a session; here they are only something to mount over.
_REAL_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DESCRIPTORS = "/usr/libexec/sandbox/proc/self/fd"
_OPEN_FILES = 64
_RC_WORDS = (
    "accounting=NO check_quotas=YES ipsec=NO library_aslr=YES multicast=NO nfs_server=NO pf=YES"
    " pkg_scripts= savecore_flags= shlib_dirs= spamd_black=NO"
)
# Names of the skeleton's files with the sizes that OpenBSD's have.
_SKELETON = {
    ".Xdefaults": 87,
    ".cshrc": 761,
    ".cvsrc": 101,
    ".login": 281,
    ".mailrc": 175,
    ".profile": 199,
}
_PROFILE = """\
PATH=$HOME/bin:/bin:/sbin:/usr/bin:/usr/sbin:/usr/X11R6/bin:/usr/local/bin:/usr/local/sbin
export PATH HOME TERM
"""
_LOGIN_CONF = """\
auth-defaults:auth=passwd,skey:

default:\\
\t:path=/usr/bin /bin /usr/sbin /sbin /usr/X11R6/bin /usr/local/bin /usr/local/sbin:\\
\t:umask=022:\\
\t:datasize-max=1536M:\\
\t:datasize-cur=1536M:\\
\t:maxproc-max=256:\\
\t:maxproc-cur=128:\\
\t:openfiles-max=1024:\\
\t:openfiles-cur=512:\\
\t:localcipher=blowfish,a:\\
\t:tc=auth-defaults:

daemon:\\
\t:ignorenologin:\\
\t:datasize=4096M:\\
\t:maxproc=infinity:\\
\t:openfiles-max=1024:\\
\t:openfiles-cur=128:\\
\t:tc=default:

staff:\\
\t:datasize-cur=1536M:\\
\t:datasize-max=infinity:\\
\t:ignorenologin:\\
\t:tc=default:

authpf:\\
\t:shell=/usr/sbin/authpf:\\
\t:tc=default:

build:\\
\t:datasize=1843M:\\
\t:tc=default:

pbuild:\\
\t:datasize-max=infinity:\\
\t:tc=default:

bgpd:\\
\t:openfiles=512:\\
\t:tc=daemon:

unbound:\\
\t:openfiles=512:\\
\t:tc=daemon:

vmd:\\
\t:datasize=16384M:\\
\t:tc=daemon:

xenodm:\\
\t:openfiles=512:\\
\t:tc=daemon:
"""
_PF_CONF = """\
# See pf.conf(5) and /etc/examples/pf.conf

set skip on lo

block return
pass

block return in on ! lo0 proto tcp to port 6000:6010

block return out log proto {tcp udp} user _pbuild
"""
_EXAMPLES = {
    "dhcpd.conf": "# See dhcpd.conf(5).\n",
    "doas.conf": "# See doas.conf(5).\npermit keepenv :wheel\n",
    "httpd.conf": "# See httpd.conf(5).\n",
    "pf.conf": "# See pf.conf(5).\n",
    "sensorsd.conf": "# See sensorsd.conf(5).\n",
    "sysctl.conf": "# See sysctl.conf(5).\n",
    "vm.conf": "# See vm.conf(5).\n",
}
_FILES: dict[str, tuple[str, int]] = {
    "/.cshrc": ("umask 022\n", 0o644),
    "/.profile": ("umask 022\n", 0o644),
    "/boot": ("stands for the boot loader\n", 0o444),
    "/bsd": ("stands for the kernel\n", 0o700),
    "/bsd.rd": ("stands for the installer's kernel\n", 0o600),
    "/etc/firmware/vmm-bios": ("stands for the firmware of virtual machines\n", 0o644),
    "/etc/fstab": ("/dev/sd0a / ffs rw 1 1\n", 0o644),
    "/etc/hosts": ("127.0.0.1\tlocalhost\n::1\t\tlocalhost\n", 0o644),
    "/etc/installurl": ("https://cdn.openbsd.org/pub/OpenBSD\n", 0o644),
    "/etc/login.conf": (_LOGIN_CONF, 0o644),
    "/etc/motd": ("OpenBSD 7.8 (GENERIC)\n", 0o644),
    "/etc/mygate": ("10.0.2.2\n", 0o644),
    "/etc/newsyslog.conf": ("# See newsyslog.conf(5).\n", 0o644),
    "/etc/pf.conf": (_PF_CONF, 0o600),
    "/etc/rc": ("# Started by init(8) when the machine boots.\n", 0o644),
    "/etc/rc.d/rc.subr": ("# The scripts of this directory read this file.\n", 0o644),
    "/etc/resolv.conf": ("nameserver 10.0.2.3\n", 0o644),
    "/etc/signify/openbsd-78-base.pub": (public_key("78"), 0o644),
    "/etc/signify/openbsd-79-base.pub": (public_key("79"), 0o644),
    "/etc/shells": ("/bin/sh\n/bin/csh\n/bin/ksh\n", 0o644),
    "/etc/ssh/sshd_config": ("PermitRootLogin prohibit-password\n", 0o644),
    "/etc/syslog.conf": ("*.notice /var/log/messages\ndaemon.info /var/log/daemon\n", 0o644),
    "/etc/ttys": ("", 0o644),
    "/root/.profile": (_PROFILE, 0o644),
    "/var/log/authlog": ("", 0o640),
    "/var/log/daemon": ("", 0o640),
    "/var/log/maillog": ("", 0o600),
    "/var/log/messages": ("", 0o644),
    "/var/log/secure": ("", 0o600),
    "/var/run/dmesg.boot": ("OpenBSD 7.8 (GENERIC)\n", 0o644),
}
_FIRMWARE = "/etc/firmware/vmm-bios"


def plant(machine: Machine, key: str) -> None:
    """Fills an empty root; ``key`` is the public key that root may log in with."""
    files = machine.files
    groups = dict(_numbers((DATA / "group").read_text()))
    users = dict(_numbers((DATA / "master.passwd").read_text()))
    for name in ("bin", "sbin", "usr"):
        (files.root / name).mkdir()
    for line in (DATA / "directories").read_text().splitlines():
        if not line.startswith("#"):
            path, bits, owner, group = (
                *line.split(),
                *["0755", "root", "wheel"][line.count(" ") :],
            )
            files.mkdir(path, int(bits, 8), (users[owner], groups[group]))
    files.symlink("/tmp", "/var/tmp")
    for path, (text, mode) in _FILES.items():
        files.write_text(path, text, mode)
    for name, text in _EXAMPLES.items():
        files.write_text(f"/etc/examples/{name}", text)
    for name, size in _SKELETON.items():
        text = _PROFILE if name == ".profile" else ""
        files.write_text(f"/etc/skel/{name}", text + "#" * (size - len(text) - 1) + "\n")
    files.write_text("/etc/skel/.ssh/authorized_keys", "", 0o600)
    files.write_text("/root/.ssh/authorized_keys", f"{key}\n", 0o600)
    files.write_text("/etc/myname", f"{machine.hostname}\n")
    flags = "".join(
        f"{name}_flags={'' if name in ON else 'NO'}\n"
        for name, script in sorted(SCRIPTS.items())
        if script.base
    )
    files.write_text("/etc/rc.conf", flags + "\n".join(_RC_WORDS.split(" ")) + "\n")
    _plant_accounts(files, groups)
    _plant_devices(files)


def put_firmware(files: Files, *, there: bool) -> None:
    """The firmware that fw_update(8) installs, or that it could not fetch."""
    if not there and files.exists(_FIRMWARE):
        files.remove(_FIRMWARE)
    elif there:
        files.write_text(_FIRMWARE, *_FILES[_FIRMWARE])


def put_vmm(files: Files, *, usable: bool) -> None:
    """The node of vmm(4), which is always there, and opens where vmm attached.

    Linux answers ENXIO for the socket that stands for it otherwise, OpenBSD ENODEV.
    """
    if files.exists(_VMM):
        files.remove(_VMM)
    if usable:
        files.mknod(_VMM, 0o600, _VMM_MAJOR, 0)
    else:
        # A socket that nobody listens on; its path may be longer than one of a socket can be.
        directory = os.open(files.resolve("/dev"), os.O_PATH)
        with socket.socket(socket.AF_UNIX) as node:
            node.bind(f"/proc/self/fd/{directory}/vmm")
        os.close(directory)


def put_stubs(files: Files, commands: Iterable[str]) -> None:
    """Writes the scripts of /etc and /dev that are modelled commands; they call their stubs."""
    for path in commands:
        if PurePosixPath(path).parts[1] in ("etc", "dev"):
            mode = 0o644 if path == "/etc/netstart" else 0o555
            files.write_text(path, f'#!/bin/ksh\nexec /{LIBEXEC}/stubs{path} "$@"\n', mode)


def put_links(files: Files, system: Path) -> None:
    """Links where the loader of the programs in ``system`` looks for what is below its /usr."""
    for name in ("lib", "lib64"):
        place = files.root / name
        if (system / "usr" / name).is_dir() and not os.path.lexists(place):
            place.symlink_to(f"usr/{name}")


def _numbers(text: str) -> Iterable[tuple[str, int]]:
    for line in text.splitlines():
        parts = line.split(":")
        yield parts[0], int(parts[2])


def _plant_accounts(files: Files, groups: dict[str, int]) -> None:
    """The accounts of the base system; root has a key and no password."""
    master = (DATA / "master.passwd").read_text()
    files.write_text("/etc/master.passwd", master, 0o600)
    passwd = ""
    for line in master.splitlines():
        name, _, uid, gid, _, _, _, *rest = line.split(":")
        passwd += f"{name}:*:{uid}:{gid}:{':'.join(rest)}\n"
    files.write_text("/etc/passwd", passwd, 0o644)
    files.write_text("/etc/group", (DATA / "group").read_text(), 0o644)
    files.write_text("/etc/pwd.db", "", 0o644)
    files.write_text("/etc/spwd.db", "", 0o640, (0, groups["_shadow"]))


def _plant_devices(files: Files) -> None:
    for name in _REAL_DEVICES:
        files.write_text(f"/dev/{name}", "", 0o666)
    for number in range(_TAPS):
        files.mknod(f"/dev/tap{number}", 0o600, _TAP_MAJOR, number)
    put_vmm(files, usable=True)
    for number in range(_OPEN_FILES):
        files.symlink(f"{_DESCRIPTORS}/{number}", f"/dev/fd/{number}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        files.symlink(f"fd/{number}", f"/dev/{name}")
