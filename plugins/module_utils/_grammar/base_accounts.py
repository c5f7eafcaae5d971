# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Names that no owner and no user may have."""

from __future__ import annotations

# Accounts and groups of OpenBSD's etc/master.passwd and etc/group; useradd(8) gives an account a
# group of its own name. Those that begin with an underscore do not fit the grammar anyway.
BASE_ACCOUNTS = frozenset(
    # etc/master.passwd and etc/group of OpenBSD 7.8.
    """
    auth authpf bin build crontab daemon dialer games guest kmem network nobody nogroup operator
    root sshd staff sys tty users utmp wheel wobj wsrc www
    _agentx _bgpd _bgplgd _dhcp _dhcp6leased _dpb _dvmrpd _eigrpd _fc-cache _file _fingerd _ftp
    _ftp_proxy _hostapd _identd _iked _isakmpd _iscsid _ldapd _ldpd _lldpd _mopd _nsd _ntp _ospf6d
    _ospfd _pbuild _pfetch _pflogd _ping _pkgfetch _pkguntar _portmap _ppp _rad _radius _radiusd
    _rbootd _relayd _ripd _rpki-client _rstatd _rusersd _rwalld _shadow _shutdown _slaacd _smtpd
    _smtpq _sndio _sndiop _snmpd _spamd _sshagnt _syslogd _syspatch _tcpdump _tftp_proxy _tftpd
    _token _traceroute _unbound _unwind _vmd _x11 _ypldap
    """.split()
)

# user_setup() of OpenBSD's distrib/miniroot/install.sub takes the first four for the answer whether
# there is to be a user, and refuses ftp.
INSTALLER_WORDS = frozenset({"n", "no", "y", "yes", "ftp"})

# The group whose members reach vmd(8)'s socket.
VMD_GROUP = "vmdusers"
