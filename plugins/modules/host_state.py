# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Bring an OpenBSD server to a described state
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Takes state documents, which describe the files, directories, accounts, services and so on that
    a server is to have, and carries them out. M(puffy.vmm.configure) does the same for roles of
    this collection.
  - Looks at the server once, works out the difference on the controller, and sends one request.
    That is one SSH execution when nothing changes and two when something does, or three with
    C(--diff), whatever the number of files.
  - Each document is a transaction of its own. New files are staged, read by the daemons' own
    checkers, put into place, and services are reloaded or restarted and seen to run. When a step
    fails, all of its document is put back, the services come back with their old files, and the run
    ends for this server. The error says what was refused and why, and which documents before it
    were carried out.
  - A file that somebody changes between the look and the change stops the run.
  - The server needs OpenBSD's base system and nothing else, no Python. A Perl program comes over
    the connection with each request, and nothing of it stays there. Files that were replaced are
    kept under C(/var/backups/puffy.vmm), readable by root alone, for the last 100 transactions that
    changed files. M(puffy.vmm.rollback) goes back to them.
options:
  name:
    description: The name of the document in messages. The default is the name of the role.
    type: str
  files: &files
    description: >-
      Files with their whole content. Each has one of O(files[].template), O(files[].content) and
      O(files[].source).
    type: list
    elements: dict
    suboptions:
      path:
        description: Where the file belongs. Its directory must exist, or be in O(directories).
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
          - A file of the controller, sent unchanged. A relative path is in C(files/) of the role.
        type: path
      each:
        description:
          - One file for each of these items, which the template has as C(item).
          - In O(files[].path), O(files[].source) and O(files[].vms), C(<key>) stands for the value
            that the item has under that key.
        type: list
        elements: dict
      vms:
        description: Names of the VMs that the file is for. A run for one of them may change it.
        type: list
        elements: str
      mode: &mode
        description: Permission bits, three or four octal digits, quoted.
        type: str
        default: "0644"
      owner: &owner
        description: The user that owns it.
        type: str
        default: root
      group: &group
        description: The group that it belongs to.
        type: str
        default: wheel
      validate: &validate
        description:
          - A command that must accept the file before it is put into place, with C({path}) for the
            staged file, such as C(dhcpd -n -c {path}). No shell is involved.
        type: str
      sensitive:
        description: Whether the content is secret. It is then never fetched, shown or kept.
        type: bool
        default: false
      note:
        description: What a change of the file means, shown with the change.
        type: str
      language:
        description:
          - The language of a file in which each VM has a part of its own. Only the VMs whose parts
            differ are then changed, so that a run for one of them may do it.
        type: str
        choices: [dhcpd.conf, pf.conf, rc.vmm, vm.conf]
      foreign:
        description:
          - Refuses to remove what somebody else has in the file, such as a server of httpd.conf(5).
            What this collection wrote is noted on the server, and may be removed.
        type: dict
        suboptions: &foreign
          language:
            description: The language of the file, which says what somebody would miss.
            type: str
            required: true
            choices: [vm.conf, dhcpd.conf, httpd.conf, sensorsd.conf]
          advice:
            description: What to do about it, for the message.
            type: str
            required: true
          drop:
            description: Whether it may be removed, with a warning.
            type: bool
            default: false
          adopted:
            description: What of it is kept in other words, as the refusal names it.
            type: list
            elements: str
            default: []
  directories: &directories
    description: Directories. One that is no longer wanted is left alone.
    type: list
    elements: dict
    suboptions:
      path:
        description: Where the directory belongs.
        type: str
        required: true
      each:
        description: One directory for each of these items, as in O(files[].each).
        type: list
        elements: dict
      vms:
        description: Names of the VMs that the directory is for, as in O(files[].vms).
        type: list
        elements: str
      mode:
        description: Permission bits, three or four octal digits, quoted.
        type: str
        default: "0755"
      owner: *owner
      group: *group
      purge:
        description: A glob. Files that match it and are not in the document are removed.
        type: str
      purge_directories:
        description:
          - A glob. From directories in this one that match it and are not in the document, the
            files that match O(directories[].purge) are removed, and the directory too if it is
            empty then. No link is followed, and nothing deeper is looked at.
        type: str
      keep:
        description: Names of directories that O(directories[].purge_directories) leaves alone.
        type: list
        elements: str
      sensitive:
        description: Whether the content of files that are removed is secret. It is then never kept.
        type: bool
        default: false
      link:
        description:
          - Whether the path may be a link to the directory. The link, the directory and the
            directory that has the link must belong to root, and nobody else may write there. The
            directory that it leads to keeps its mode and owner.
        type: bool
        default: false
  lines: &lines
    description: Single lines in files that others edit too. All other lines stay.
    type: list
    elements: dict
    suboptions:
      path: &edited
        description: The file. It is created if it is missing.
        type: str
        required: true
      key:
        description:
          - What is before the C(=) of a C(key=value) line, of which the last one is replaced.
          - Without it the whole line counts, as in a script. It is put at the end, before an
            C(exit) that ends the script.
        type: str
      line:
        description: The whole line.
        type: str
        required: true
  marked_lines: &marked_lines
    description: >-
      Lines at the end of files that others edit too, between two marks that carry the document's
      name. All other lines stay.
    type: list
    elements: dict
    suboptions:
      path: *edited
      lines:
        description: The lines, in their order. An empty list removes them.
        type: list
        elements: str
        required: true
      validate: *validate
      mode: *mode
      quiet:
        description: No service of the document reads this file, so a change of it reloads none.
        type: bool
        default: false
  site_sets: &site_sets
    description:
      - Site sets for the installer, as M(puffy.vmm.site_set) builds them, and their C(index.txt).
        Sets of VMs that are not in O(site_sets.vms) are removed.
    type: dict
    suboptions:
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
        description: The VMs that get a set of their own, as the inventory describes them.
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
  mirrors: &mirrors
    description:
      - Files of a release directory on the web. What is missing or wrong is fetched by ftp(1) of
        the server, verified, and put into place when all of it is there.
      - A connection is held for some seconds at a time, and lines show the progress. A transfer
        that was cut off continues where it stopped. Until files are complete and verified they are
        in C(.partial) in the same directory, which only root can read.
    type: list
    elements: dict
    suboptions:
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
  images: &images
    description: Disk images, made blank by vmctl(8) where they are missing and never changed.
    type: list
    elements: dict
    suboptions:
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
  devices: &devices
    description: Names of device nodes in C(/dev), made by MAKEDEV(8) where they are missing.
    type: list
    elements: str
  sysctls: &sysctls
    description:
      - Kernel variables with their values, set at once, read back, and kept in C(/etc/sysctl.conf).
      - Other lines of that file stay as they are.
    type: dict
  groups: &groups
    description: Groups that must exist.
    type: list
    elements: str
  accounts: &accounts
    description:
      - Accounts that log in by key and have no password.
      - An account that exists already must be in all of O(accounts.groups), and in neither C(wheel)
        nor C(operator), or the run stops. So no data of a customer reaches an operator's account.
      - One that is listed in O(accounts.roster) is put into its groups again, and unlocked.
    type: dict
    suboptions:
      users:
        description: The accounts.
        type: list
        elements: dict
        suboptions:
          name:
            description: The name of the account.
            type: str
            required: true
          ssh_keys:
            description: The public keys that may log in.
            type: list
            elements: str
            default: []
          vms:
            description:
              - Names of the VMs of this owner. A run for any of them may change the account.
            type: list
            elements: str
      groups:
        description: Groups of the accounts. A group that is full becomes the account's login group.
        type: list
        elements: str
        default: []
      others:
        description:
          - Names of accounts that may be in O(accounts.groups) besides those of O(accounts.users).
            Anybody else there ends the run, except members of C(wheel).
        type: list
        elements: str
        default: []
      resting:
        description:
          - VMs that are archived, each with its C(name) and C(owner). A run for one of them may
            lock the account of an owner that has no others.
        type: list
        elements: dict
        default: []
      others_advice:
        description: What the error advises to do about anybody else there.
        type: str
        default: name it in others
      key_options:
        description: Options before each key, as in authorized_keys of sshd(8).
        type: list
        elements: str
        default: []
      shell:
        description: The login shell of a new account.
        type: str
        default: /bin/ksh
      roster:
        description:
          - A file of the server that lists the names of these accounts, one per line.
          - An account in it that is no longer among O(accounts.users) is locked with usermod(8)
            and leaves O(accounts.groups), unless it is in C(wheel) or C(operator). Its home stays.
        type: str
        required: true
      keys:
        description:
          - A directory of the server with a file of keys for each account, named after it, that
            belongs to root. sshd(8) reads them by C(AuthorizedKeysFile).
          - Nothing in the home of an account is read, written or trusted.
        type: str
        required: true
  services: &services
    description: Services of rcctl(8). vmd(8) is in O(vm_conf) instead.
    type: list
    elements: dict
    suboptions:
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
        description: Its flags. By default they are left unchanged.
        type: str
      timeout: &timeout
        description: Seconds that rc(8) gives it to start and to stop.
        type: int
      on_change:
        description: What to do when a file of the document changed.
        type: str
        choices: [reload, restart, nothing]
        default: restart
      foreign:
        description:
          - Refuses to remove flags that somebody else set.
        type: dict
        suboptions:
          advice:
            description: What to do about it, for the message.
            type: str
            required: true
          drop:
            description: Whether they may be removed, with a warning.
            type: bool
            default: false
  vm_conf: &vm_conf
    description:
      - vm.conf(5), and vmd(8) with it. A change is loaded by C(vmctl reload), which starts nothing
        where every VM has C(disable). vmd is never restarted, since that would stop every VM.
      - VMs that run with an older definition are in RV(pending_restart). There is a warning about
        what vmd applies only when it starts the next time, such as another interface of a switch.
    type: dict
    suboptions:
      path:
        description: The file.
        type: str
        required: true
      template:
        description: A Jinja2 template of the role.
        type: str
        required: true
      mode:
        description: Permission bits, three or four octal digits, quoted.
        type: str
        default: "0600"
      owner: *owner
      group: *group
      validate: *validate
      service:
        description: The name of the service, C(vmd).
        type: str
        required: true
      timeout: *timeout
      shows:
        description: Names of VMs that C(vmctl status) must show after a change.
        type: list
        elements: str
        default: []
      foreign:
        description: >-
          Refuses to remove VMs of somebody else, as O(files[].foreign) does.
        type: dict
        suboptions: *foreign
      images:
        description: >-
          Paths of the fleet's disk images, by the names of its VMs. A VM in the file with such a
          name and image belongs to the fleet, whoever wrote it.
        type: dict
        default: {}
  interfaces: &interfaces
    description: Network interfaces that must exist, or nothing is changed.
    type: list
    elements: str
  links: &links
    description: >-
      Network interfaces, live and as hostname.if(5) files, and the tap(4) interfaces of running VMs
      in them.
    type: dict
    suboptions:
      interfaces:
        description:
          - The interfaces, those first that others need. Settings without a value are left
            unchanged.
          - They are compared with what ifconfig(8) shows, and each difference becomes one command.
            No interface is ever destroyed. An address, a member or a port is only removed if our
            lines of the file, which are between two marks, put it there; the rest of the file
            belongs to somebody else and stays.
        type: list
        elements: dict
        suboptions:
          name:
            description: The name of the interface.
            type: str
            required: true
          create:
            description: Whether it is created if it is missing; otherwise that stops the run.
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
            description: The parent interface of a vlan(4).
            type: str
          protocol:
            description: The protocol of a trunk(4).
            type: str
          ports:
            description: Ports of an aggr(4) or trunk(4).
            type: list
            elements: str
          lro:
            description:
              - V(false) turns off large receive offload, live and in the file (C(-tcplro) in
                ifconfig(8)). A switch could not send these packets on. It turns that off for its
                ports, but at boot not for what is behind an aggr(4), trunk(4) or vlan(4).
            type: bool
            default: true
          addresses:
            description: Addresses with their lengths, such as C(203.0.113.1/24).
            type: list
            elements: str
          first_address:
            description:
              - The IPv4 address, without a length, that comes before all others of the interface.
                Those that come before it are moved to the end. dhcpd(8) answers from the first one.
            type: str
          routes:
            description:
              - Routes, live and in the file. A route is removed only if our lines of the file put
                it there; a route of somebody else's that leads elsewhere stops the run.
            type: list
            elements: dict
            suboptions:
              to:
                description: The network, such as C(2001:db8:100:7::/64).
                type: str
                required: true
              by:
                description: The gateway; without it, the network is directly on this interface.
                type: str
              vm:
                description: The VM that the network is routed to, if it is a VM's.
                type: str
          members:
            description: Members of a bridge(4) or veb(4). Other members stay.
            type: list
            elements: str
          flags:
            description: >-
              Flags, such as C(link1), by which a veb(4) has pf(4) see what its ports carry.
            type: list
            elements: str
          known:
            description:
              - Members that rules were written for. No flag is set while there are others, except
                vport(4), the taps of O(links.vms) and those of O(links.interfaces[].other_vms). A
                tap(4) cannot be named.
            type: list
            elements: str
          other_vms:
            description: Names of VMs that O(links.vms) does not have and that may be in the switch.
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
              - Whether another interface takes the place of this one, and
                O(links.interfaces[].addresses) and our lines are removed from it.
            type: bool
            default: false
          without:
            description: What is removed from a bridge(4) or veb(4), whoever put it there.
            type: list
            elements: str
          prove:
            description:
              - The server's IPv4 address on a veb(4), for one with members or flags. A change then
                ends with a packet from there to all hosts of the network. If it does not arrive at
                a port that exists only for that moment, the change is undone.
            type: str
      switches:
        description: The switches, each with its C(name) in vm.conf(5) and its C(interface).
        type: list
        elements: dict
        default: []
      vms:
        description:
          - The VMs, each with C(name) and C(interfaces), of which each has C(switch) and C(group).
          - vmd(8) puts a tap(4) into its switch and its group once, when it starts the VM. Those of
            running VMs are put back where a switch lost them, and into their present group.
        type: list
        elements: dict
        default: []
  pf: &pf
    description:
      - Rules of pf(4) in a file of their own. pf.conf(5) loads it into an anchor by two lines,
        which are put at its end between two marks unless somebody wrote them elsewhere; the rest of
        it stays. pfctl(8) checks both files, and loads them as one.
      - The rules are loaded again where the kernel no longer has them. States stay.
    type: dict
    suboptions:
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
      advice:
        description: What else to do about a pf that is disabled, for the warning.
        type: str
        default: ""
  firmware: &firmware
    description: Files that fw_update(8) installs. Where they are missing, this comes first.
    type: list
    elements: dict
    suboptions:
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
          - A URL to fetch it from, or a directory of the server. The default is the system's own
            choice.
        type: str
        default: ""
      missing:
        description:
          - What to do where the file is missing. V(fetch) runs fw_update(8), and nothing else is
            changed when that brings none; V(fail) stops at once; V(ignore) continues and warns.
        type: str
        choices: [fetch, fail, ignore]
        default: fetch
      without:
        description: What does not work without the file, for messages.
        type: str
        default: ""
      advice:
        description: What to do about it, for messages.
        type: str
        default: ""
  vmm: &vmm
    description: >-
      What to do where vmm(4) cannot be used, because the processor lacks what it needs or has it
      switched off. By default this is not checked.
    type: dict
    suboptions:
      needed:
        description:
          - V(required) stops before anything is changed. With V(optional), everything is done
            except starting O(vmm.service).
        type: str
        choices: [required, optional]
        required: true
      service:
        description: The service that needs it.
        type: str
        required: true
      advice:
        description: What to do about it, for the message.
        type: str
  confirm: &confirm
    description:
      - For changes that may cut the server off. The server undoes everything unless the controller
        reaches it over a new connection within this many seconds. It costs one more
        SSH execution when something changes.
    type: int
  documents:
    description: Several documents, carried out in their order, instead of the options above.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the document in messages.
        type: str
      files: *files
      directories: *directories
      lines: *lines
      marked_lines: *marked_lines
      site_sets: *site_sets
      mirrors: *mirrors
      images: *images
      devices: *devices
      sysctls: *sysctls
      groups: *groups
      accounts: *accounts
      services: *services
      vm_conf: *vm_conf
      interfaces: *interfaces
      links: *links
      pf: *pf
      firmware: *firmware
      vmm: *vmm
      confirm: *confirm
  render_to:
    description:
      - A directory of the controller. The files are written below it, under the name of the server,
        and the server is not connected to.
    type: path
extends_documentation_fragment:
  - puffy.vmm.attributes
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
      interfaces:
        - name: em0
          create: false
        - name: vlan42
          vnetid: 42
          parent: em0
        - name: vport42
          addresses: [203.0.113.2/24]
        - name: veb42
          members: [vlan42, vport42]
    confirm: 60

- name: A response file for each machine, and none for any other
  puffy.vmm.host_state:
    name: responses
    directories:
      - path: /var/www/htdocs/install
        purge: "*-install.conf"
    files:
      - each: "{{ machines }}"
        path: /var/www/htdocs/install/<mac>-install.conf
        vms: [<name>]
        template: install.conf.j2
        sensitive: true

- name: Two documents, of which the second counts on what the first makes
  puffy.vmm.host_state:
    documents:
      - name: operators
        groups: [operators]
      - name: sshd
        marked_lines:
          - path: /etc/ssh/sshd_config
            lines: [AllowGroups operators]
            validate: sshd -t -f {path}
        services:
          - name: sshd
            on_change: reload
        confirm: 60
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, one string each.
  type: list
  elements: str
  returned: success
  sample: [change /etc/dhcpd.conf, restart dhcpd]
details:
  description: The changes with their documents, as RV(puffy.vmm.configure#module:details).
  type: list
  elements: dict
  returned: when a server was looked at
notices:
  description: What an operator should know, as RV(puffy.vmm.configure#module:notices).
  type: list
  elements: dict
  returned: when a server was looked at
last_applied:
  description: When this collection last changed the server before this run, in UTC.
  type: str
  returned: when it ever did
  sample: "2026-11-23T12:00:00Z"
generation:
  description:
    - The server's generation of files before this run, as
      RV(puffy.vmm.configure#module:generation).
  type: dict
  returned: when there is one
pending_restart:
  description: VMs that run with an older definition than vm.conf's until they are restarted.
  type: list
  elements: str
  returned: when there are any
"""
