# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Of each role a value that cannot be meant: the run says so, and nothing is touched."""

from __future__ import annotations

import json
import re
from typing import Any

from integration.harness import CHECKOUT, Site, messages, recap, state

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "accounts": (
        {"accounts_owners": [{"name": "root", "ssh_keys": []}]},
        "account root: this account exists on the server and is in group operator",
    ),
    "autoinstall": ({"autoinstall_doas": "maybe"}, "value of autoinstall_doas must be one of"),
    "dhcpd": (
        {"dhcpd_server_name": 'a"; include "/etc/master.passwd'},
        "(U+0022) cannot stand in a string of dhcpd.conf(5)",
    ),
    "httpd": ({"httpd_release": 'a"b'}, "(U+0022) cannot stand in a string of httpd.conf(5)"),
    "metrics": ({"metrics_to": ["192.0.2.0/24"]}, "'192.0.2.0/24' is not an IP address"),
    "network": ({"network_confirm": "soon"}, "network_confirm"),
    "pf": ({"pf_confirm": "soon"}, "pf_confirm"),
    "rad": ({"rad_manage": "maybe"}, "rad_manage"),
    "sensorsd": ({"sensorsd_mail_to": "$(reboot)"}, "'$(reboot)' is not a mail address"),
    "sets": ({"sets_verify": "maybe"}, "value of sets_verify must be one of"),
    "sshfp": ({"sshfp_zone": "example.org", "sshfp_port": "dns"}, "sshfp_port"),
    "sysctl": ({"sysctl_values": {"kern.maxproc": "1 # 2"}}, "'1 # 2' is not a value for a sysctl"),
    "tap": ({"tap_count": "many"}, "tap_count"),
    "vmd": ({"vmd_timeout": "long"}, "vmd_timeout"),
}


def test_each_role_is_here() -> None:
    assert sorted(BAD) == sorted(path.name for path in (CHECKOUT / "roles").iterdir())


def test_a_bad_value_is_refused_before_anything_is_touched(converged: Site) -> None:
    """Each role in its turn, in one run."""
    tasks = [
        {
            "block": [{"ansible.builtin.include_role": {"name": f"puffy.vmm.{role}"},
                       "vars": values}],
            "rescue": [{"ansible.builtin.debug":
                        {"msg": f"refused {role}: {{{{ ansible_failed_result.msg }}}}"}}],
        }
        for role, (values, _told) in BAD.items()
    ]  # fmt: skip
    play = converged.directory / "bad.yml"
    play.write_text(json.dumps([{"hosts": "server1", "gather_facts": False, "tasks": tasks}]))
    before = state(converged.server1)
    result = converged.run("ansible-playbook", "-i", "inventories/example", "bad.yml")
    assert recap(result, "server1")["rescued"] == len(BAD), messages(result)
    refused = dict(re.findall(r'"msg": "refused (\w+): (.*)"$', result.stdout, re.MULTILINE))
    for role, (_values, told) in BAD.items():
        assert told in json.loads(f'"{refused[role]}"'), role
    assert "Traceback" not in messages(result)
    assert state(converged.server1) == before


def test_a_line_for_newsyslog_cuts_off_no_download(converged: Site) -> None:
    """Which a reload of httpd(8) would."""
    server = converged.server1
    before = server.read("/etc/newsyslog.conf")
    server.write("/etc/newsyslog.conf", before.partition(b"# begin of puffy.vmm")[0])
    said = messages(converged.play("site", "--limit", "server1"))
    assert "change /etc/newsyslog.conf" in said, said
    assert "reload httpd" not in said
    assert server.read("/etc/newsyslog.conf") == before
