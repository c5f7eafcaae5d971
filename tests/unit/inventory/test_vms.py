# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from typing import Any

import pytest
from unit.sites import KEY, SERVERS, Site, decoded


def errors(text: str) -> list[str]:
    """The lines of standard error, without the mark that each begins with."""
    assert "Traceback" not in text
    return [line.removeprefix("[ERROR]: ").removeprefix("ERROR! ") for line in text.splitlines()]


def listing(site: Site, *args: str) -> dict[str, Any]:
    done = site.run("ansible-inventory", "--list", *args)
    assert (done.returncode, done.stderr) == (0, "")
    return decoded(done.stdout)


def test_vms_are_hosts_and_servers_know_them(site: Site) -> None:
    site.vm("web1")
    site.vm("web2", server="server2", state="suspended")
    site.vm("old1", server="server2", state="archived")
    before = site.files()
    inventory = listing(site)
    assert inventory["vms"]["children"] == ["vms_on_server1", "vms_on_server2"]
    assert inventory["vms_on_server1"]["hosts"] == ["web1"]
    assert sorted(inventory["vms_on_server2"]["hosts"]) == ["old1", "web2"]
    assert inventory["vmd_servers"]["hosts"] == ["server1", "server2"]
    hosts = inventory["_meta"]["hostvars"]
    assert [vm["name"] for vm in hosts["server2"]["vmm_vms"]] == ["web2"]
    assert hosts["server1"]["vmm_fleet_directory"] == str(site.fleet)
    assert hosts["server1"]["vmm_host"]["ipv4"]["network"] == "203.0.113.0"
    assert hosts["server1"]["vmm_owners"] == [{"name": "puffy", "ssh_keys": [KEY], "vms": ["web1"]}]
    assert "vmm_problems" not in hosts["server1"]
    assert site.files() == before
    assert not (site.fleet / "allocations").exists(), "an inventory writes nothing"


def test_a_vm_has_its_values_and_no_note(site: Site) -> None:
    site.vm("web1", owner="mira", user="dba", memory="2G", note="a secret of hers")
    done = site.run("ansible-inventory", "--list")
    assert "secret" not in done.stdout + done.stderr
    variables = decoded(done.stdout)["_meta"]["hostvars"]["web1"]
    assert variables["ansible_host"] == variables["vmm_ipv4"] == "203.0.113.10"
    assert variables["ansible_user"] == variables["vmm_user"] == "dba"
    assert variables["vmm_mac"] == "fe:e1:bb:d1:c6:01"
    assert (variables["vmm_server"], variables["vmm_number"]) == ("server1", 1)
    assert (variables["vmm_owner"], variables["vmm_memory"]) == ("mira", "2G")
    assert "vmm_note" not in variables


def test_a_vm_behind_its_server_is_reached_by_a_port(site: Site) -> None:
    nat = {**SERVERS["server1"], "vmm_preset": "nat", "vmm_ipv4_gateway": "203.0.113.1"}
    where = {"public": "vmm6.example.net", "ansible_host": "{{ public }}", "ansible_port": 2222}
    site.set("host_vars/server1", **nat, **where)
    site.vm("web1", forward=[{"port": 2201, "to": 22}])
    site.vm("web2", forward=[{"port": 80}])
    hosts = listing(site)["_meta"]["hostvars"]
    web1, web2 = hosts["web1"], hosts["web2"]
    assert (web1["ansible_host"], web1["ansible_port"]) == ("vmm6.example.net", 2201)
    assert web2["ansible_host"] == web2["vmm_ipv4"]
    assert "ansible_port" not in web2
    site.vm("web2", forward=[{"port": 2222}])
    told = site.run("ansible-inventory", "--list").stderr
    assert "vms/web2.yml: forward: 2222/tcp: 2222 is a port of server1 itself" in told
    site.set("host_vars/server1", **nat, **where, vmm_reserved_ports=[22])
    assert site.run("ansible-inventory", "--list").stderr == ""


def test_another_inventory_may_come_before(site: Site) -> None:
    site.vm("web1")
    other = site.root / "other"
    other.mkdir()
    (other / "hosts.yml").write_text("printers: {hosts: {laser1: }}\n")
    inventory = listing(site, "-i", str(other), "-i", str(site.inventory))
    assert inventory["vms_on_server1"]["hosts"] == ["web1"]
    assert inventory["printers"]["hosts"] == ["laser1"]


def test_the_command_line_can_choose_a_setting(site: Site) -> None:
    site.vm("web1")
    variables = site.host("web1", "-e", "vmm_mac_prefix=fe:e1:bb:d1:99")
    assert variables["vmm_mac"] == "fe:e1:bb:d1:99:01"


def test_constructed_variables_and_groups_from_a_file_with_another_name(site: Site) -> None:
    site.vm("web1", owner="mira")
    site.vm("web2")
    (site.inventory / "vmm.yml").unlink()
    (site.inventory / "production.vms.yaml").write_text("""
plugin: puffy.vmm.vms
fleet: ../fleet
strict: true
compose:
  ansible_user: "'root'"
  where: vmm_server ~ '/' ~ vmm_number
groups:
  first: vmm_number == 1
keyed_groups:
  - {key: vmm_owner, prefix: owner}
""")
    inventory = listing(site)
    assert inventory["first"]["hosts"] == inventory["owner_mira"]["hosts"] == ["web1"]
    assert inventory["_meta"]["hostvars"]["web2"]["where"] == "server1/2"
    assert inventory["_meta"]["hostvars"]["web2"]["ansible_user"] == "root"


def test_all_problems_are_shown_once_and_what_is_sound_is_there(site: Site) -> None:
    site.vm("web1", memory="1 GB")
    site.vm("web2", colour="blue", owner="root")
    (site.fleet / "vms/web3.yaml").touch()
    site.vm("web4")
    site.vm("web5", number=5)
    site.vm("web6", server="server2")
    (site.fleet / "vms/web5.yml~").touch()
    site.set("host_vars/server2", vmm_domain="{{ nowhere }}")
    done = site.run("ansible-inventory", "--list")
    assert "[WARNING]: vms/web5.yml~: is ignored" in done.stderr
    lines = [line for line in errors(done.stderr) if not line.startswith("[WARNING]")]
    size = (
        "vms/web1.yml: memory: '1 GB' is not a valid size; use a number with K, M or G, such as 1G"
    )
    assert size in lines
    assert sum(line.startswith("server2: vmm_domain: ") for line in lines) == 1
    assert sum(line.startswith("vms/web3.yaml: only files") for line in lines) == 1
    assert sum(line.startswith("vms/web2.yml: ") for line in lines) == 2
    assert "parse" not in done.stderr
    assert lines[-1].startswith(f"{site.inventory}/vmm.yml: {len(lines) - 1} problem(s) in ")
    inventory = decoded(done.stdout)
    hosts = inventory["_meta"]["hostvars"]
    assert "vmm_vms" not in hosts["server2"]
    assert {line.split(":")[0] for line in hosts["server2"]["vmm_problems"]} == {"server2"}
    assert set(hosts["server1"]["vmm_fleet_problems"]) == set(lines[:-1])
    assert hosts["server1"]["vmm_fleet_problems"] == hosts["server2"]["vmm_fleet_problems"]
    # web3.yaml might say anything, so nothing new is handed out.
    assert hosts["server1"]["vmm_vms"] == []
    assert {"web1", "web2", "web4", "web5"} <= set(hosts["server1"]["vmm_broken_vms"])
    (site.fleet / "vms/web3.yaml").unlink()
    inventory = decoded(site.run("ansible-inventory", "--list").stdout)
    assert inventory["vms_on_server1"]["hosts"] == ["web4", "web5"]
    assert "web6" not in inventory["_meta"]["hostvars"]


def test_a_vm_with_a_broken_file_stays_as_it_was(site: Site) -> None:
    site.vm("web1", memory="2G")
    site.vm("web2")
    assert site.play({"puffy.vmm.allocate": {}}).returncode == 0
    before = site.host("web1")
    (site.fleet / "vms/web1.yml").write_text("server: server1\nowner: 'mira\n")
    hosts = decoded(site.run("ansible-inventory", "--list").stdout)["_meta"]["hostvars"]
    assert hosts["web1"] == before
    assert [vm["name"] for vm in hosts["server1"]["vmm_vms"]] == ["web1", "web2"]
    assert hosts["server1"]["vmm_problems"] == hosts["server1"]["vmm_broken_vms"]["web1"]
    assert "vmm_problems" not in hosts["server2"]
    (site.fleet / "kept/server1.json").unlink()
    hosts = decoded(site.run("ansible-inventory", "--list").stdout)["_meta"]["hostvars"]
    assert "web1" not in hosts
    assert hosts["server1"]["vmm_unknown_vms"] == ["web1"]


def test_an_order_waits_for_the_operators_file(site: Site) -> None:
    site.vm("web1")
    order = (site.fleet / "vms/web1.yml").read_text().replace("server: server1\n", "")
    (site.fleet / "orders").mkdir()
    (site.fleet / "orders/web1.yml").write_text(order)
    (site.fleet / "vms/web1.yml").unlink()
    done = site.run("ansible-inventory", "--list")
    assert "[WARNING]: orders/web1.yml: waits for vms/web1.yml, which names its server" in (
        " ".join(done.stderr.split())
    )
    (site.fleet / "vms/web1.yml").write_text("server: server1\n")
    assert site.host("web1")["vmm_owner"] == "puffy"


def test_names_of_new_vms_capture_no_host_or_group_that_comes_later(site: Site) -> None:
    later = site.inventory / "zz.yml"
    later.write_text("printers: {hosts: {laser1: {}, web1: {}}}\n")
    for name in ("laser1", "printers", "web1", "web2"):
        site.vm(name)
    done = site.run("ansible-inventory", "--list")
    inventory = decoded(done.stdout)
    assert inventory["vms_on_server1"]["hosts"] == ["web2"]
    assert "vms/laser1.yml: name: 'laser1' is a host of the inventory too, in a file" in done.stderr
    assert "vms/printers.yml: name: 'printers' is a group of the inventory" in done.stderr
    assert "ansible_host" not in inventory["_meta"]["hostvars"].get("laser1", {})
    # A VM that is there may be named wherever its operator wants it.
    later.unlink()
    site.play({"puffy.vmm.allocate": {"fail": False}})
    later.write_text("printers: {hosts: {web1: {}}}\n")
    assert "web1" in decoded(site.run("ansible-inventory", "--list").stdout)["printers"]["hosts"]


def test_what_an_order_says_makes_nobody_a_member_of_a_group(site: Site) -> None:
    (site.inventory / "hosts2.yml").write_text("admins: {hosts: {bastion: {}}}\n")
    (site.inventory / "vmm.yml").write_text(
        "plugin: puffy.vmm.vms\nfleet: ../fleet\n"
        "keyed_groups:\n"
        "  - {key: vmm_state, prefix: vms}\n"
        "  - {key: vmm_owner, prefix: '', separator: ''}\n"
    )
    (site.inventory / "zz.yml").write_text("vms_present: {vars: {x: 1}}\n")
    site.vm("web1", owner="admins")
    site.vm("web2", owner="mira")
    done = site.run("ansible-inventory", "--list")
    inventory = decoded(done.stdout)
    assert inventory["admins"]["hosts"] == ["bastion"]
    assert inventory["vms_present"]["hosts"] == inventory["mira"]["hosts"] == ["web2"]
    assert "vms/web1.yml: name: 'web1' would join the group admins of the inventory" in done.stderr


def test_the_account_of_ansible_is_no_owners(site: Site) -> None:
    site.set("host_vars/server1", **SERVERS["server1"], ansible_user="admin")
    site.vm("web1", owner="admin")
    site.vm("web2", owner="admin", server="server2")
    done = site.run("ansible-inventory", "--list")
    assert decoded(done.stdout)["vms_on_server2"]["hosts"] == ["web2"]
    problem = "owner: admin is the account that Ansible logs in to (ansible_user) of server1"
    assert f"vms/web1.yml: {problem}; name another owner" in done.stderr


HOSTILE = "{{ lookup('pipe', 'touch executed') }}"


def test_hostile_values_are_never_evaluated(site: Site) -> None:
    option = {"Full name for user puffy": HOSTILE}
    site.vm("web1", ssh_keys=[KEY + " {{ 6 * 7 }}"], note=HOSTILE, install_options=option)
    site.ledger().parent.mkdir()
    (site.inventory / "vmm.yml").write_text(
        "plugin: puffy.vmm.vms\nfleet: ../fleet\n"
        "compose: {copy: vmm_install_options, key: vmm_ssh_keys.0}\n"
        "keyed_groups: [{key: vmm_install_options.values() | list, prefix: option}]\n"
    )
    hosts = listing(site)["_meta"]["hostvars"]
    assert hosts["web1"]["vmm_install_options"] == hosts["web1"]["copy"] == option
    assert hosts["server1"]["vmm_vms"][0]["install_options"] == option
    assert hosts["web1"]["key"].endswith(" {{ 6 * 7 }}")
    show = {
        "ansible.builtin.debug": {
            "msg": [
                "{{ hostvars.server1.vmm_vms }}",
                "{{ hostvars.web1.vmm_install_options }}",
                "{{ hostvars.web1.copy }}",
                "key is {{ hostvars.web1.key }}",
            ]
        }
    }
    allocate: dict[str, Any] = {"puffy.vmm.allocate": {}}
    done = site.play(allocate, show, args=("-vvv", "--diff"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "{{ 6 * 7 }}" in done.stdout
    assert "lookup('pipe'" in done.stdout
    assert not list(site.root.rglob("executed"))


def test_hostile_values_where_they_do_not_belong(site: Site) -> None:
    fields = ("server", "owner", "hostname", "memory", "ipv4", "timezone", "state", "ssh_keys")
    for field in fields:
        site.vm(field.replace("_", "-"), **{field: [HOSTILE] if field == "ssh_keys" else HOSTILE})
    done = site.play({"puffy.vmm.allocate": {}}, args=("-vvv",))
    assert done.returncode == 2
    for field in fields:
        problem = f"vms/{field.replace('_', '-')}.yml: {field}: "
        assert problem in done.stderr
        assert problem in done.stdout
    assert not list(site.root.rglob("executed"))


def test_a_plugin_line_in_a_form_chooses_nothing(site: Site) -> None:
    site.vm("web1", plugin="ansible.builtin.generator", hosts=HOSTILE)
    done = site.run("ansible-inventory", "--list")
    assert "vms/web1.yml: plugin: " in done.stderr
    assert "generator" not in done.stdout


def test_a_fleet_in_the_inventory_directory_is_refused(site: Site) -> None:
    (site.inventory / "fleet/vms").mkdir(parents=True)
    (site.inventory / "vmm.yml").write_text("plugin: puffy.vmm.vms\nfleet: fleet\n")
    done = site.run("ansible-inventory", "--host", "server1")
    assert "is in the inventory directory" in " ".join(done.stderr.split())
    assert "vmm_fleet_directory" not in done.stdout


def test_a_link_does_not_hide_the_fleet_in_the_inventory_directory(site: Site) -> None:
    (site.inventory / "fleet/vms").mkdir(parents=True)
    (site.root / "link").symlink_to(site.inventory / "fleet")
    (site.inventory / "vmm.yml").write_text("plugin: puffy.vmm.vms\nfleet: ../link\n")
    done = site.run("ansible-inventory", "--host", "server1")
    assert "is in the inventory directory" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("flet: ../fleet", "fleet"),
        ("fleet: ../fleet\ncompse: {}", "unknown option compse; known are compose, fleet,"),
        ("fleet: ../typo", "typo is not a fleet directory: it has no directory vms/"),
        ("fleet: ../fleet\nservers: other", "there is no group 'other' yet; the file that names"),
    ],
)
def test_mistakes_in_the_plugins_own_file(site: Site, config: str, reason: str) -> None:
    (site.inventory / "vmm.yml").write_text(f"plugin: puffy.vmm.vms\n{config}\n")
    done = site.run("ansible-inventory", "--list")
    assert reason in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_other_hosts_and_groups_keep_their_names(site: Site) -> None:
    (site.inventory / "alone.yml").write_text("web1: {}\nweb: {hosts: {bastion: {}}}\n")
    for name in ("bastion", "web1"):
        site.vm(name)
    lines = errors(site.run("ansible-inventory", "--host", "server1").stderr)
    assert lines[0] == (
        "vms/bastion.yml: name: 'bastion' is a host of the inventory already; a VM needs a name of "
        "its own"
    )
    assert lines[1].startswith("vms/web1.yml: name: ")
    assert len(lines) == 3


def test_servers_whose_groups_would_be_one_are_refused(site: Site) -> None:
    (site.inventory / "hosts.yml").write_text(
        "vmd_servers: {hosts: {server-1: {}, server.1: {}}}\n"
    )
    site.set("group_vars/vmd_servers", vmm_domain="example.org", vmm_dns_servers=["192.0.2.53"])
    for number, name in enumerate(("server-1", "server.1"), 1):
        site.set(
            f"host_vars/{name}",
            vmm_mac_prefix=f"fe:e1:bb:d1:{number:02}",
            vmm_ipv4_network=f"10.0.{number}.0/24",
            vmm_ipv4_gateway=f"10.0.{number}.1",
        )
    done = site.run("ansible-inventory", "--list")
    text = " ".join(done.stderr.split())
    assert "server-1 and of server.1 would both be in the group vms_on_server_1" in text


def test_ansible_finds_a_vm_by_its_name(site: Site) -> None:
    site.vm("web1")
    site.vm("web2")
    ssh = site.root / "ssh"
    ssh.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >>"$0.log"\n')
    ssh.chmod(0o755)
    arguments = ("-m", "ansible.builtin.raw", "-a", "uptime", "-e", f"ansible_ssh_executable={ssh}")
    done = site.run("ansible", "web1", *arguments)
    assert done.returncode == 0, done.stdout
    assert "web1 | CHANGED" in done.stdout
    said = (site.root / "ssh.log").read_text().splitlines()
    assert {"203.0.113.10", 'User="puffy"', "uptime"} <= set(said)
    assert "203.0.113.11" not in said
