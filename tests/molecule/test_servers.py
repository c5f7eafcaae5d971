# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What each server is like after puffy.vmm.site."""

from __future__ import annotations

import pytest

from .conftest import Host, Server, image, stat

DAEMONS = ["vmd", "dhcpd", "httpd", "sensorsd"]
# Each with the daemon's own opinion of it.
CONFIGURATIONS = {
    "/etc/vm.conf": (0o600, "vmd -n"),
    "/etc/dhcpd.conf": (0o640, "dhcpd -n"),
    "/etc/httpd.conf": (0o644, "httpd -n"),
}


def test_it_is_openbsd_and_nothing_was_installed(host: Host) -> None:
    assert host.check_output("uname -s") == "OpenBSD"
    assert not host.exists("python3")
    assert not host.file("/root/.ansible").exists
    assert "ansible" not in host.check_output("ls -a /tmp")


@pytest.mark.parametrize("name", DAEMONS)
def test_daemons_run_and_start_at_boot(host: Host, vmm: bool, name: str) -> None:
    # Without vmm(4), vmd(8) is ready for a machine that has it.
    assert (host.run("rcctl check %s", name).rc == 0) == (vmm or name != "vmd")
    assert host.run("rcctl get %s status", name).rc == 0


@pytest.mark.parametrize("path", CONFIGURATIONS)
def test_configurations_are_in_place_and_accepted(host: Host, path: str) -> None:
    mode, check = CONFIGURATIONS[path]
    assert stat(host, path)[:3] == ("root", "wheel", mode)
    assert host.file(path).contains("Written by puffy.vmm")
    checked = host.run(check)
    assert checked.rc == 0, checked.stderr


def test_dhcpd_listens_where_the_vms_are(host: Host, server: Server) -> None:
    assert host.check_output("rcctl get dhcpd flags") == server.interface


def test_vmd_has_time_to_stop_its_vms(host: Host) -> None:
    assert host.check_output("rcctl get vmd timeout") == "600"


def test_the_vmd_that_runs_has_it_too(host: Host, vmm: bool) -> None:
    """rc.subr(8) stops a daemon with what it was started with."""
    assert vmm == (host.run("grep -qx daemon_timeout=600 /var/run/rc.d/vmd").rc == 0)


def test_vmd_has_a_login_class_of_its_own(host: Host) -> None:
    assert host.check_output("rcctl get vmd class") == "vmd"
    assert host.file("/etc/login.conf.d/vmd").contains(":openfiles=512:")


def test_vms_start_at_boot(host: Host) -> None:
    assert host.file("/etc/rc.local").contains("/etc/rc.vmm$")
    assert host.file("/etc/rc.vmm").mode == 0o755
    assert host.run("sh -n /etc/rc.vmm").rc == 0


def test_vms_are_known_once_they_are_installed(
    installed: dict[str, tuple[str, str]], vmctl_status: dict[str, dict[str, str]]
) -> None:
    assert sorted(vmctl_status) == sorted(installed)
    for name, (owner, _) in installed.items():
        assert vmctl_status[name]["OWNER"] == owner


def test_images_are_nobody_elses(host: Host, installed: dict[str, tuple[str, str]]) -> None:
    for name, (_, kind) in installed.items():
        attributes = stat(host, image(name, kind))
        assert attributes[:3] == ("root", "wheel", 0o600)
        assert attributes.size > 0


def test_owners_have_accounts(host: Host, server: Server) -> None:
    assert host.group("vmdusers").exists
    for name in server.owners:
        user = host.user(name)
        assert "vmdusers" in user.groups
        assert stat(host, f"/etc/ssh/owners/{name}")[:3] == ("root", "wheel", 0o644)


def test_the_switch_is_up(host: Host, server: Server) -> None:
    assert host.interface(server.switch).exists
    assert str(server.address.ip) in host.interface(server.interface).addresses
    assert server.port in host.check_output(f"ifconfig {server.switch}")


def test_the_switch_is_there_after_a_reboot_too(host: Host, server: Server) -> None:
    for name in {server.switch, server.port, server.interface}:
        assert stat(host, f"/etc/hostname.{name}")[:3] == ("root", "wheel", 0o640)
    assert host.file(f"/etc/hostname.{server.interface}").contains(str(server.address.ip))
    assert host.file(f"/etc/hostname.{server.switch}").contains(f"add {server.port}")


def test_rules_of_pf_are_loaded_and_in_place(host: Host, server: Server) -> None:
    rules = host.check_output("pfctl -a puffy.vmm -s rules")
    for name in server.addresses:
        assert f"from {name} to any" in rules
    assert "Status: Enabled" in host.check_output("pfctl -s info")
    assert host.run("pfctl -n -f /etc/pf.conf").rc == 0


def test_there_are_tap_nodes_for_all_vms(host: Host, server: Server) -> None:
    lines = host.check_output("ls -l /dev/tap*").splitlines()
    nodes = sorted(int(line.rpartition("/dev/tap")[2]) for line in lines)
    assert nodes == list(range(server.taps))
    assert all(line.startswith("crw-------") for line in lines)


def test_kernel_variables_are_set_now_and_at_boot(host: Host, server: Server) -> None:
    assert host.sysctl("net.inet.ip.arpq.maxlen") == server.arp_queue
    assert host.file("/etc/sysctl.conf").contains(f"^net.inet.ip.arpq.maxlen={server.arp_queue}$")


def test_no_response_file_lies_about(host: Host) -> None:
    assert host.check_output("ls /var/www/htdocs/install") == ""


def test_a_server_measures_where_it_is_asked_to(host: Host) -> None:
    """The stand-in has no netstat(1), and OpenBSD in QEMU may have no vmd(8) that runs."""
    if "metrics.vmm" not in host.run("cat /etc/crontab").stdout:
        assert not host.file("/etc/metrics.vmm").exists
        return
    assert host.check_output("/etc/metrics.vmm") == ""
    assert stat(host, "/var/www/metrics/metrics.text")[:3] == ("root", "www", 0o640)
    text = host.check_output("cat /var/www/metrics/metrics@203.0.113.1")
    for tool in ("stat", "ifconfig", "sysctl"):
        assert f'puffy_vmm_up{{tool="{tool}"}} 1' in text
    known = host.run("vmctl status").stdout.splitlines()[1:]
    for name in [line.split()[-1] for line in known]:
        assert f'puffy_vmm_vm_running{{vm="{name}"}}' in text
    assert text.splitlines()[-1].startswith("puffy_vmm_written_timestamp_seconds 1")
