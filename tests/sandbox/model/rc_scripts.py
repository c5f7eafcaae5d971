# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The rc.d(8) scripts of OpenBSD 7.8's base system, as far as rcctl(8) shows them."""

from __future__ import annotations

from dataclasses import dataclass

# On where rc.conf.local(8) does not say otherwise.
_ON = "cron dhcpleased ntpd pflogd resolvd slaacd smtpd sndiod spamlogd sshd syslogd"
ON = frozenset(_ON.split())

_RELOAD = """
    bgpd bpflogd cron eigrpd hostapd hotplugd httpd ifstated iked inetd isakmpd ldapd ldpd lpd
    mountd mrouted npppd nsd ospf6d ospfd pflogd rad rbootd relayd ripd route6d sasyncd sensorsd
    sndiod sshd syslogd unbound unwind vmd watchdogd xenodm ypldap ypserv
"""
_NO_RELOAD = """
    amd apmd bgplgd bootparamd dhcp6leased dhcpd dhcpleased dhcrelay dhcrelay6 dvmrpd ftpd ftpproxy
    ftpproxy6 identd iscsid ldattach ldomd lockd mopd nfsd ntpd portmap radiusd rarpd resolvd
    slaacd slowcgi smtpd snmpd spamd spamlogd statd tftpd tftpproxy wsmoused ypbind
"""
_CONFIGTEST = """
    bgpd dhcp6leased dhcpd dhcpleased httpd iked rad relayd smtpd snmpd sshd unwind vmd
"""
_NO_STOP = ("amd", "iscsid", "mountd")
_FLAGS = {
    "identd": "-e",
    "mopd": "-a",
    "nfsd": "-tun 4",
    "nsd": "-c /var/nsd/etc/nsd.conf",
    "rarpd": "-a",
    "tftpd": "/tftpboot",
    "unbound": "-c /var/unbound/etc/unbound.conf",
}
# What ps(1) shows of daemons that are not /usr/sbin/NAME with their flags.
_PROCESSES = {
    "dhcpleased": "/sbin/dhcpleased",
    "pflogd": "pflogd: [priv] (pflogd)",
    "resolvd": "/sbin/resolvd",
    "slaacd": "/sbin/slaacd",
    "sndiod": "/usr/bin/sndiod",
    "sshd": "sshd: /usr/sbin/sshd [listener] 0 of 10-100 startups (sshd)",
    "syslogd": "syslogd: [priv] (syslogd)",
}
# There is a script, but no line in rc.conf(8): rcctl takes it for a package script.
_NOT_IN_RC_CONF = ("dhcrelay6",)


@dataclass(frozen=True)
class Script:
    """What an rc.d script says of its daemon; `flags` are its own default."""

    name: str
    flags: str = ""
    reload: bool = True
    stop: bool = True
    configtest: bool = False
    base: bool = True
    user_check: bool = True
    process: str = ""


SCRIPTS: dict[str, Script] = {
    name: Script(
        name,
        flags=_FLAGS.get(name, ""),
        reload=name in _RELOAD.split(),
        stop=name not in _NO_STOP,
        configtest=name in _CONFIGTEST.split(),
        base=name not in _NOT_IN_RC_CONF,
        user_check=name != "nsd",
        process=_PROCESSES.get(name, ""),
    )
    for name in sorted(f"{_RELOAD} {_NO_RELOAD}".split())
}


def rc_conf() -> str:
    """An /etc/rc.conf with the defaults of the base system."""
    lines = [f"{name}_flags={'' if name in ON else 'NO'}" for name in SCRIPTS if SCRIPTS[name].base]
    lines += ["pf=YES", "ipsec=NO", "check_quotas=YES", "accounting=NO", "multicast=NO"]
    lines += ["amd_master=/etc/amd/master", "library_aslr=YES", "savecore_flags="]
    lines += ["spamd_black=NO", "shlib_dirs=", "pkg_scripts="]
    return "".join(f"{line}\n" for line in lines)
