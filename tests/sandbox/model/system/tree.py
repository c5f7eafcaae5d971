# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The root of a server that has just been installed, as far as anybody here looks at it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sandbox.model.rc import rc_conf

from .signify import public_key

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.files import Files

_TAPS, _TAP_MAJOR = 4, 93
# Nodes that are the host's own in a session; here they are only something to mount over.
_REAL_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DESCRIPTORS = "/usr/libexec/sandbox/proc/self/fd"
# With mode, owner and group where they are not 0755 root wheel.
_DIRECTORIES = """
    /dev /dev/fd /etc /etc/examples /etc/firmware /etc/login.conf.d /etc/rc.d /etc/signify /etc/skel
    /etc/skel/.ssh:0700 /etc/ssh /home /root:0700 /root/.ssh:0700 /tmp:1777 /usr /usr/local /bin
    /sbin /usr/local/bin /usr/local/sbin /var /var/backups:0700 /var/db /var/db/pkg /var/empty
    /var/log /var/mail /var/nsd /var/nsd/etc:0750:root:_nsd
    /var/nsd/zones /var/nsd/zones/master /var/run /var/run/rc.d /var/spool
    /var/www::root:daemon
    /var/www/conf::root:daemon /var/www/htdocs::root:daemon /var/www/logs::root:daemon
    /var/www/run::root:daemon
"""
GROUPS = """\
wheel:*:0:root
daemon:*:1:daemon
kmem:*:2:root
sys:*:3:root
tty:*:4:root
operator:*:5:root
bin:*:7:
staff:*:20:root
sshd:*:27:
guest:*:31:root
_pbuild:*:55:
_shadow:*:65:
www:*:67:
_dhcp:*:77:
_nsd:*:97:
_vmd:*:107:
nogroup:*:32766:
nobody:*:32767:
"""
USERS = """\
root::0:0:daemon:0:0:Charlie &:/root:/bin/ksh
daemon:*:1:1::0:0:The devil himself:/root:/sbin/nologin
sshd:*:27:27::0:0:sshd privsep:/var/empty:/sbin/nologin
www:*:67:67::0:0:HTTP Server:/var/www:/sbin/nologin
_dhcp:*:77:77::0:0:DHCP programs:/var/empty:/sbin/nologin
_nsd:*:97:97::0:0:NSD Daemon:/var/empty:/sbin/nologin
_vmd:*:107:107::0:0:VM Daemon:/var/empty:/sbin/nologin
nobody:*:32767:32767::0:0:Unprivileged user:/nonexistent:/sbin/nologin
"""
_PROFILE = """\
PATH=$HOME/bin:/bin:/sbin:/usr/bin:/usr/sbin:/usr/X11R6/bin:/usr/local/bin:/usr/local/sbin
export PATH HOME TERM
"""
_LOGIN_CONF = """\
default:\\
\t:path=/usr/bin /bin /usr/sbin /sbin /usr/X11R6/bin /usr/local/bin /usr/local/sbin:\\
\t:umask=022:\\
\t:datasize=1536M:

daemon:\\
\t:ignorenologin:\\
\t:datasize=4096M:\\
\t:tc=default:

staff:\\
\t:datasize=infinity:\\
\t:tc=default:

vmd:\\
\t:datasize=16384M:\\
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
FIRMWARE = "/etc/firmware/vmm-bios"
_FILES: dict[str, tuple[str, int]] = {
    "/bsd": ("stands for the kernel\n", 0o700),
    "/bsd.rd": ("stands for the installer's kernel\n", 0o600),
    FIRMWARE: ("stands for the firmware of virtual machines\n", 0o644),
    "/etc/hosts": ("127.0.0.1\tlocalhost\n::1\t\tlocalhost\n", 0o644),
    "/etc/installurl": ("https://cdn.openbsd.org/pub/OpenBSD\n", 0o644),
    "/etc/login.conf": (_LOGIN_CONF, 0o644),
    "/etc/motd": ("OpenBSD 7.8 (GENERIC)\n", 0o644),
    "/etc/pf.conf": (_PF_CONF, 0o600),
    "/etc/rc": ("# Started by init(8) when the machine boots.\n", 0o644),
    "/etc/rc.conf": (rc_conf.defaults_text(), 0o644),
    "/etc/signify/openbsd-78-base.pub": (public_key("78"), 0o644),
    "/etc/signify/openbsd-79-base.pub": (public_key("79"), 0o644),
    "/etc/skel/.profile": (_PROFILE, 0o644),
    "/etc/skel/.ssh/authorized_keys": ("", 0o600),
    "/etc/ssh/sshd_config": ("PermitRootLogin prohibit-password\n", 0o644),
    "/root/.profile": (_PROFILE, 0o644),
    "/var/log/authlog": ("", 0o640),
    "/var/log/daemon": ("", 0o640),
    "/var/log/messages": ("", 0o644),
}


def plant(machine: Machine, key: str) -> None:
    """Fills an empty root; ``key`` is the public key that root may log in with."""
    files = machine.files
    users, groups = dict(_numbers(USERS)), dict(_numbers(GROUPS))
    for word in _DIRECTORIES.split():
        path, mode, owner, group = (word.split(":") + ["", "", ""])[:4]
        host = files.root / path.lstrip("/")
        host.mkdir(exist_ok=True)
        host.chmod(int(mode or "755", 8))
        if files.owned:
            files.chown(path, users[owner or "root"], groups[group or "wheel"])
    files.symlink("/tmp", "/var/tmp")
    for path, (text, bits) in _FILES.items():
        files.write_text(path, text, bits)
    files.write_text("/root/.ssh/authorized_keys", f"{key}\n", 0o600)
    files.write_text("/etc/myname", f"{machine.hostname}\n")
    files.write_text("/etc/master.passwd", USERS, 0o600)
    files.write_text("/etc/group", GROUPS)
    machine.accounts.write_users(machine.accounts.users())
    _plant_devices(files)
    machine.vmm.put_node(usable=True)


def put_firmware(files: Files, *, there: bool) -> None:
    """The firmware that fw_update(8) installs, or that it could not fetch."""
    if there:
        files.write_text(FIRMWARE, *_FILES[FIRMWARE])
    elif files.exists(FIRMWARE):
        files.remove(FIRMWARE)


def _numbers(text: str) -> Iterable[tuple[str, int]]:
    for line in text.splitlines():
        parts = line.split(":")
        yield parts[0], int(parts[2])


def _plant_devices(files: Files) -> None:
    for name in _REAL_DEVICES:
        files.write_text(f"/dev/{name}", "", 0o666)
    for number in range(_TAPS):
        files.mknod(f"/dev/tap{number}", 0o600, _TAP_MAJOR, number)
    for number in range(16):
        files.symlink(f"{_DESCRIPTORS}/{number}", f"/dev/fd/{number}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        files.symlink(f"fd/{number}", f"/dev/{name}")
