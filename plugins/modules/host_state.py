# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Bring an OpenBSD server to a described state in one transaction
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Takes state documents, which tell what files, directories, images, accounts, services and so on
    a server shall have, and makes them true.
  - Looks at the server once, works out the difference on the controller, and sends one request
    that changes everything or nothing. That is one SSH execution when nothing changes and two when
    something does, or three with C(--diff), whatever the number of files.
  - New files are staged, read by the daemons' own checkers, put into place, and the services are
    reloaded or restarted and seen to live. When a step fails, everything is put back, the services
    come back with their old files, and the error tells what was refused and why.
  - A file that somebody changes between the look and the change stops the run.
  - The server needs OpenBSD's base system and nothing else, no Python. A Perl program comes over
    the connection with each request; nothing of it stays there. Files that were replaced are kept,
    root's alone, under C(/var/backups/puffy.vmm): the last ten of each name.
options:
  name:
    description: The name of the document in messages. The default is the name of the role.
    type: str
  files:
    description:
      - Files with their whole content. Each needs O(files[].template) or O(files[].content).
    type: list
    elements: dict
    suboptions: &files
      path:
        description:
          - Where the file belongs.
          - With O(files[].each), C(<key>) stands for the value that an item has under that key.
        type: str
        required: true
      template:
        description: A Jinja2 template of the role, rendered on the controller.
        type: str
      content:
        description: The content itself.
        type: str
      source:
        description:
          - A file of the controller, sent as it is.
          - A relative path is one in C(files/) of the role.
          - With O(files[].each), C(<key>) stands for the value that an item has under that key.
        type: path
      each:
        description: One file for each of these; the template sees one of them as C(item).
        type: list
        elements: dict
      mode:
        description: Permission bits in octal, quoted.
        type: str
        default: "0644"
      owner:
        description: The user that owns the file.
        type: str
        default: root
      group:
        description: The group of the file.
        type: str
        default: wheel
      validate:
        description:
          - A command that must accept the file before it is put into place, with C({path}) for the
            staged file, such as C(dhcpd -n -c {path}). No shell takes part.
        type: str
      sensitive:
        description: Whether the content is secret. It is then never fetched, shown or kept.
        type: bool
        default: false
      note:
        description: What a change of the file brings, told with the change.
        type: str
  directories:
    description: Directories.
    type: list
    elements: dict
    suboptions: &directories
      path:
        description:
          - Where the directory belongs.
          - With O(directories[].each), C(<key>) stands for the value of an item under that key.
        type: str
        required: true
      each:
        description: One directory for each of these.
        type: list
        elements: dict
      mode:
        description: Permission bits in octal, quoted.
        type: str
        default: "0755"
      owner:
        description: The user that owns the directory.
        type: str
        default: root
      group:
        description: The group of the directory.
        type: str
        default: wheel
      purge:
        description: A glob. Files that match it and are in no document are removed.
        type: str
      purge_directories:
        description:
          - A glob. From directories in this one that match it and are in no document, the files
            that match O(directories[].purge) are removed, and the directory too if nothing else
            is in it. No link is followed and nothing deeper looked at.
        type: str
      sensitive:
        description: Whether the content of such files is secret. It is then never kept.
        type: bool
        default: false
  lines:
    description: Single lines in files that others edit too; all other lines stay.
    type: list
    elements: dict
    suboptions: &lines
      path:
        description: The file.
        type: str
        required: true
      key:
        description:
          - What stands before the C(=) of a C(key=value) line, of which the last one is replaced.
          - Without it the line stands for itself, as in a script. It is put at the end, before an
            C(exit) that ends the script.
        type: str
      line:
        description: The whole line.
        type: str
        required: true
  site_sets:
    description:
      - Site sets for the installer, as M(puffy.vmm.site_set) builds them, and C(index.txt) beside
        them. Sets of VMs that are not in O(site_sets.vms) are removed.
    type: dict
    suboptions: &site_sets
      directory:
        description: The directory of the server in which the sets of the release are.
        type: str
        required: true
      fleet:
        description: The fleet directory.
        type: path
        required: true
      release:
        description: The release that the sets are for.
        type: str
        required: true
      vms:
        description: The VMs that get a set of their own.
        type: list
        elements: dict
        default: []
      template:
        description: A Jinja2 template of the role that becomes C(/install.site).
        type: str
      modes:
        description: Permission bits of single files by their paths in a set.
        type: dict
        default: {}
      listed:
        description: Names of other files that C(index.txt) lists.
        type: list
        elements: str
        default: []
  mirrors:
    description:
      - Files of a release directory on the web. What is missing or wrong is fetched by ftp(1) of
        the server, verified, and put into place when all of it is there.
      - The server is held for some seconds at a time, and a line tells how far it is. A transfer
        that was cut off goes on where it stopped. Until files are whole and verified they are in
        C(.partial) of the directory, which only root can read.
    type: list
    elements: dict
    suboptions: &mirrors
      directory:
        description: The directory of the server.
        type: str
        required: true
      url:
        description: The directory on the web, by http or https.
        type: str
        required: true
      names:
        description: Names of the files.
        type: list
        elements: str
        required: true
      verify:
        description:
          - V(signify) has signify(1) of the server verify the list C(SHA256.sig) with
            O(mirrors[].key) and compares each file with it.
          - V(sha256) compares with the list C(SHA256), which nobody signed, V(none) with nothing.
        type: str
        choices: [signify, sha256, none]
        default: signify
      key:
        description: The public key, a file of the server.
        type: str
  images:
    description: Disk images, made blank by vmctl(8) where they are missing and never changed.
    type: list
    elements: dict
    suboptions: &images
      path:
        description: The file.
        type: str
        required: true
      size:
        description: The size that the guest sees, such as C(50G).
        type: str
        required: true
      format:
        description: The format.
        type: str
        required: true
        choices: [raw, qcow2]
  devices:
    description: Names of device nodes in C(/dev), made by MAKEDEV(8) where they are missing.
    type: list
    elements: str
  sysctls:
    description:
      - Kernel variables with their values, set at once, read back, and kept in C(/etc/sysctl.conf).
      - Other lines of that file stay as they are.
    type: dict
  groups:
    description: Groups that must exist.
    type: list
    elements: str
  accounts:
    description:
      - Accounts that log in by key and have no password.
      - An account that is there already must be in all of its groups, and in neither C(wheel) nor
        C(operator), or the run stops. So no data of a customer reaches an operator's account.
      - One that is in O(roster) is put into its groups again, and unlocked.
    type: list
    elements: dict
    suboptions: &accounts
      name:
        description: The name of the account.
        type: str
      ssh_keys:
        description: The public keys that may log in; all others are removed.
        type: list
        elements: str
      each:
        description: One account for each of these, which have C(name) and C(ssh_keys).
        type: list
        elements: dict
      groups:
        description: Groups of a new account.
        type: list
        elements: str
      key_options:
        description: Options before each key, as in authorized_keys of sshd(8).
        type: list
        elements: str
      shell:
        description: The login shell of a new account.
        type: str
        default: /bin/ksh
  roster:
    description:
      - A file of the server in which the names of O(accounts) are kept, a line each.
      - An account in it that is not among O(accounts) any more is locked with usermod(8) and leaves
        O(groups), unless it is in C(wheel) or C(operator). Its home stays, and so do its keys.
    type: str
  services:
    description: Services of rcctl(8).
    type: list
    elements: dict
    suboptions: &services
      name:
        description: The name of the service.
        type: str
        required: true
      enabled:
        description: Whether it starts with the system.
        type: bool
        default: true
      running:
        description: Whether it runs.
        type: bool
        default: true
      flags:
        description: Its flags. They stay as they are when this is not given.
        type: str
      timeout:
        description: Seconds that rc(8) gives it to start and to stop.
        type: int
      on_change:
        description:
          - What to do when a file of the document changed. vmd(8) is always reloaded by vmctl(8)
            and never restarted.
        type: str
        choices: [reload, restart, nothing]
        default: restart
      shows:
        description: Names of VMs that C(vmctl status) must show after a change of vmd(8).
        type: list
        elements: str
  interfaces:
    description: Network interfaces that must be there, or nothing is changed.
    type: list
    elements: str
  links:
    description:
      - Network interfaces, those first that others need, live and as hostname.if(5) files. What is
        not given of an interface is left as it is.
      - What is wanted is compared with what ifconfig(8) shows, and each difference becomes one
        command. No interface is ever destroyed. An address, a member or a port is only taken away
        if our lines of the file, which stand between two marks, put it there; all else of the file
        belongs to somebody else and stays.
    type: list
    elements: dict
    suboptions: &links
      name:
        description: The name of the interface.
        type: str
        required: true
      create:
        description: Whether it is made where it is missing; otherwise that stops the run.
        type: bool
        default: true
      up:
        description: Whether it is brought up, if it is not.
        type: bool
        default: true
      vnetid:
        description: The VLAN of a vlan(4).
        type: int
      parent:
        description: The interface that a vlan(4) is on.
        type: str
      protocol:
        description: The protocol of a trunk(4).
        type: str
      ports:
        description: Ports of an aggr(4) or trunk(4).
        type: list
        elements: str
      addresses:
        description: Addresses with their lengths, such as C(203.0.113.1/24).
        type: list
        elements: str
      members:
        description: Members of a bridge(4) or veb(4). Others stay where they are.
        type: list
        elements: str
      flags:
        description: Flags, such as C(link1), by which veb(4) has pf(4) see what its ports carry.
        type: list
        elements: str
      known:
        description:
          - Members that rules were written for. No flag is set while there are others besides
            vport(4), the taps of O(taps) and those of O(links.other_vms). A tap(4) cannot be named.
        type: list
        elements: str
      other_vms:
        description: Names of VMs that O(taps) does not have, and that may be in the switch.
        type: list
        elements: str
      tap_group:
        description: An interface group for each tap(4) that is in the switch.
        type: str
      patch:
        description: The other end of a pair(4).
        type: str
      retired:
        description:
          - Whether another interface takes the place of this one, and O(links.addresses) and our
            lines are taken away from it.
        type: bool
        default: false
      without:
        description: What is taken out of a bridge(4) or veb(4), whoever put it in.
        type: list
        elements: str
      prove:
        description:
          - The server's IPv4 address on a veb(4), for one with members or flags. A change then ends
            with a packet from there to all hosts of the network. Where it does not arrive at a
            port, which is there for that moment alone, the change is put back.
        type: str
  taps:
    description:
      - Whose tap(4) interfaces belong into which of O(links) while a VM runs. vmd(8) puts them
        there once, so they are put back where a switch lost them, and into the group that they have
        by now.
    type: dict
    suboptions: &taps
      switches:
        description: The switches, each with its C(name) in vm.conf(5) and its C(interface).
        type: list
        elements: dict
        required: true
      vms:
        description: >-
          The VMs, each with C(name) and C(interfaces), of which each has C(switch) and C(group).
        type: list
        elements: dict
        required: true
  pf:
    description:
      - Rules of pf(4) in a file of their own. pf.conf(5) loads it into an anchor by two lines,
        which stand at its end between two marks unless somebody wrote them where they are wanted;
        all else of it stays. pfctl(8) checks both files, and loads them as one.
      - The rules are loaded again where the kernel does not have them any more. States stay.
    type: dict
    suboptions: &pf
      anchor:
        description: The name of the anchor.
        type: str
        required: true
      path:
        description: The file of the rules.
        type: path
        required: true
      template:
        description: A Jinja2 template of the role with the rules.
        type: str
        required: true
      enable:
        description: Whether pf is enabled where it is not.
        type: bool
        default: false
  firmware:
    description: Files that fw_update(8) installs. Where they are missing, this comes first.
    type: list
    elements: dict
    suboptions: &firmware
      path:
        description: The file.
        type: str
        required: true
      driver:
        description: The name by which fw_update(8) knows the firmware.
        type: str
        required: true
      source:
        description:
          - A URL to fetch it from, or a directory of the server. The system's own choice by
            default.
        type: str
        default: ""
      missing:
        description:
          - What to do where the file is missing. V(fetch) runs fw_update(8), and nothing else is
            changed when that brings none; V(fail) stops at once; V(ignore) goes on and warns.
        type: str
        choices: [fetch, fail, ignore]
        default: fetch
  vmm:
    description:
      - What to do where vmm(4) cannot be used, since the processor lacks what it needs or has it
        switched off. V(required) stops before anything is changed; with V(optional) everything is
        done but to start vmd(8). Nobody asks by default.
    type: str
    choices: [required, optional]
  documents:
    description: Several documents, carried out in one transaction instead of the options above.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the document in messages.
        type: str
      files:
        description: As above.
        type: list
        elements: dict
        suboptions: *files
      directories:
        description: As above.
        type: list
        elements: dict
        suboptions: *directories
      lines:
        description: As above.
        type: list
        elements: dict
        suboptions: *lines
      site_sets:
        description: As above.
        type: dict
        suboptions: *site_sets
      mirrors:
        description: As above.
        type: list
        elements: dict
        suboptions: *mirrors
      images:
        description: As above.
        type: list
        elements: dict
        suboptions: *images
      devices:
        description: As above.
        type: list
        elements: str
      sysctls:
        description: As above.
        type: dict
      groups:
        description: As above.
        type: list
        elements: str
      accounts:
        description: As above.
        type: list
        elements: dict
        suboptions: *accounts
      roster:
        description: As O(roster).
        type: str
      services:
        description: As above.
        type: list
        elements: dict
        suboptions: *services
      interfaces:
        description: As above.
        type: list
        elements: str
      links:
        description: As above.
        type: list
        elements: dict
        suboptions: *links
      taps:
        description: As above.
        type: dict
        suboptions: *taps
      pf:
        description: As above.
        type: dict
        suboptions: *pf
      firmware:
        description: As above.
        type: list
        elements: dict
        suboptions: *firmware
      vmm:
        description: As above.
        type: str
        choices: [required, optional]
  one_time:
    description:
      - Gives VMs that are being installed a directory each that nobody can guess, C(once-) and 128
        random bits in hexadecimal, so that nobody else reads their response files.
      - Templates have it, with a slash behind it, as C(one_time[NAME]); the paths of files and
        directories with C(each) as C(<one_time>). Both are empty for a VM that is not installed.
      - C(/etc/dhcpd.conf) on the server is where it is kept, in the C(filename) of the VM's host.
        An installation that was cut off goes on with it; the next one gets another. It is in no
        result, diff or message.
      - Where the mark of another run's installation is beside the VM's image, its directory and
        what is in it are left alone.
    type: dict
    suboptions:
      vms:
        description: VMs of the server as the inventory describes them.
        type: list
        elements: dict
        required: true
      installing:
        description: Names of those that are being installed.
        type: list
        elements: str
        default: []
  confirm:
    description:
      - For changes that may cut the server off. The server puts everything back by itself unless
        the controller reaches it over a new connection within this many seconds, and also when it
        is restarted meanwhile. It costs one more SSH execution when something changes.
    type: int
  only:
    description:
      - VMs as the inventory describes them. The run stops and names whatever else it would touch.
    type: list
    elements: dict
  render_to:
    description:
      - A directory of the controller. The files are written below it, under the name of the server,
        and the server is not connected to.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and tell what would change without changing it.
    support: full
  diff_mode:
    description: Shows how files would change, but not the content of secret ones.
    support: full
  idempotent:
    description: Changes nothing when it is run again.
    support: full
"""

EXAMPLES = r"""
- name: Configure dhcpd(8)
  puffy.vmm.host_state:
    files:
      - path: /etc/dhcpd.conf
        template: dhcpd.conf.j2
        validate: dhcpd -n -c {path}
    services:
      - name: dhcpd
        flags: vport0

- name: A switch with VLAN 42 of em0 in it, and the server's own address
  puffy.vmm.host_state:
    name: network
    links:
      - name: em0
        create: false
      - name: vlan42
        vnetid: 42
        parent: em0
      - name: pair84
      - name: veb42
        members: [vlan42, pair84]
      - name: pair85
        patch: pair84
        addresses: [203.0.113.2/24]
    confirm: 60

- name: A response file for each machine, and none for any other
  puffy.vmm.host_state:
    name: responses
    directories:
      - path: /var/www/htdocs/install
        purge: "*-install.conf"
        purge_directories: "once-*"
      - each: "{{ machines }}"
        path: /var/www/htdocs/install/<one_time>
    files:
      - each: "{{ machines }}"
        path: /var/www/htdocs/install/<one_time><mac>-install.conf
        template: install.conf.j2
        sensitive: true
    one_time:
      vms: "{{ vmm_vms }}"
      installing: "{{ machines | map(attribute='name') }}"
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one string each.
  type: list
  elements: str
  returned: success
  sample: [change /etc/dhcpd.conf, restart dhcpd]
last_applied:
  description: When this module last changed the server before this run, in UTC.
  type: str
  returned: when it ever did
  sample: "2026-11-23T12:00:00Z"
pending_restart:
  description: VMs that run with an older definition than vm.conf's until they are restarted.
  type: list
  elements: str
  returned: when there are any
others:
  description: What a run for some VMs alone would have touched besides.
  type: list
  elements: str
  returned: when O(only) stops the run
"""
