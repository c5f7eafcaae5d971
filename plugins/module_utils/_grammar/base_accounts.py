# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Names that no owner and no user may have."""

from __future__ import annotations

# Accounts and groups of OpenBSD's etc/master.passwd and etc/group; useradd(8) gives an account a
# group of its own name. Those that begin with an underscore do not fit the grammar anyway.
BASE_ACCOUNTS = frozenset(
    """
    auth authpf bin build crontab daemon dialer games guest kmem network nobody nogroup operator
    root sshd staff sys tty users utmp wheel wobj wsrc www
    """.split()
)

# user_setup() of OpenBSD's distrib/miniroot/install.sub takes the first four for the answer whether
# there is to be a user, and refuses ftp.
INSTALLER_WORDS = frozenset({"n", "no", "y", "yes", "ftp"})

# The group whose members reach vmd(8)'s socket.
VMD_GROUP = "vmdusers"
