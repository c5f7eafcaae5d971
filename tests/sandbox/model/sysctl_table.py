# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The kernel variables that the sandbox knows, with the values of a small OpenBSD 7.8 machine."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = (
    "OpenBSD 7.8 (GENERIC) #0: Sat Sep 13 10:24:00 MDT 2025\n"
    "    root@localhost:/usr/src/sys/arch/amd64/compile/GENERIC\n"
)


@dataclass(frozen=True)
class Variable:
    """`low` and `high` are the kernel's bounds of a number."""

    value: str
    writable: bool = True
    number: bool = True
    low: int = -(2**31)
    high: int = 2**31 - 1


def _variables(text: str, **kind: bool | int) -> dict[str, Variable]:
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, value = line.partition("=")
        found[name] = Variable(value, **kind)  # type: ignore[arg-type]
    return found


TABLE: dict[str, Variable] = {
    **_variables(
        """
        kern.ostype=OpenBSD
        kern.osrelease=7.8
        kern.osversion=GENERIC#0
        hw.machine=amd64
        hw.model=QEMU Virtual CPU version 2.5+
        hw.disknames=sd0:1f2d3c4b5a697887,fd0:
        hw.vendor=QEMU
        hw.product=Standard PC (i440FX + PIIX, 1996)
        machdep.console_device=ttyC0
        """,
        writable=False,
        number=False,
    ),
    "kern.version": Variable(VERSION, writable=False, number=False),
    "kern.hostname": Variable("", number=False),
    "kern.domainname": Variable("", number=False),
    "kern.boottime": Variable("", writable=False, number=False),
    **_variables(
        """
        kern.osrevision=202510
        kern.argmax=524288
        kern.ngroups=16
        kern.nfiles=97
        kern.nprocs=48
        kern.nthreads=62
        hw.ncpu=1
        hw.ncpufound=1
        hw.ncpuonline=1
        hw.byteorder=1234
        hw.pagesize=4096
        hw.diskcount=2
        hw.cpuspeed=2600
        hw.physmem=4278034432
        vm.loadavg=0.12 0.10 0.08
        hw.usermem=4278022144
        """,
        writable=False,
    ),
    **_variables(
        """
        kern.maxvnodes=40960
        kern.maxproc=1310
        kern.maxfiles=7030
        kern.maxthread=2620
        kern.somaxconn=128
        kern.sominconn=80
        kern.nosuidcoredump=1
        kern.fsync=1
        kern.splassert=1
        kern.bufcachepercent=20
        kern.wxabort=0
        kern.global_ptrace=0
        kern.pool_debug=0
        kern.utc_offset=0
        kern.shminfo.shmmax=33554432
        kern.shminfo.shmmin=1
        kern.shminfo.shmmni=128
        kern.shminfo.shmseg=128
        kern.shminfo.shmall=8192
        hw.setperf=100
        hw.perfpolicy=manual
        hw.smt=0
        hw.allowpowerdown=1
        vm.swapencrypt.enable=1
        vm.malloc_conf=
        net.inet.ip.ttl=64
        net.inet.ip.sourceroute=0
        net.inet.ip.directed-broadcast=0
        net.inet.ip.portfirst=1024
        net.inet.ip.portlast=49151
        net.inet.ip.porthifirst=49152
        net.inet.ip.porthilast=65535
        net.inet.ip.maxqueue=300
        net.inet.ip.mtudisc=1
        net.inet.ip.mtudisctimeout=600
        net.inet.ip.ifq.maxlen=2048
        net.inet.ip.mforwarding=0
        net.inet.ip.arptimeout=1200
        net.inet.ip.arpdown=20
        net.inet.ip.arpq.maxlen=50
        net.inet.icmp.maskrepl=0
        net.inet.icmp.bmcastecho=0
        net.inet.icmp.errppslimit=100
        net.inet.icmp.rediraccept=0
        net.inet.icmp.redirtimeout=600
        net.inet.tcp.rfc1323=1
        net.inet.tcp.keepinittime=150
        net.inet.tcp.keepidle=14400
        net.inet.tcp.keepintvl=150
        net.inet.tcp.syncachelimit=10255
        net.inet.tcp.synbucketlimit=105
        net.inet.udp.checksum=1
        net.inet.udp.recvspace=41600
        net.inet.udp.sendspace=9216
        net.inet6.ip6.hlim=64
        net.inet6.ip6.maxfrags=200
        net.inet6.ip6.multipath=0
        net.inet6.ip6.mforwarding=0
        net.link.ifrxq.pressure_return=16
        net.link.ifrxq.pressure_drop=16
        ddb.radix=16
        ddb.panic=1
        ddb.console=0
        machdep.allowaperture=0
        machdep.kbdreset=0
        machdep.lidaction=1
        machdep.pwraction=1
        """
    ),
    **_variables(
        """
        net.inet.ip.multipath=0
        net.inet.ip.redirect=0
        net.inet6.ip6.redirect=0
        """,
        low=0,
        high=1,
    ),
    **_variables(
        """
        net.inet.ip.forwarding=0
        net.inet6.ip6.forwarding=0
        """,
        low=0,
        high=2,
    ),
    **_variables(
        """
        net.inet.ip.ifq.len=0
        net.inet.ip.ifq.drops=0
        net.inet.ip.arpq.len=0
        net.inet.ip.arpq.drops=0
        """,
        writable=False,
    ),
    "kern.securelevel": Variable("1", low=-1, high=2),
}
# Nodes that can be empty.
EMPTY_NODES = ("hw.sensors",)
