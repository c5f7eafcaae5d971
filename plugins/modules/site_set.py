# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: site_set
short_description: Build site sets for OpenBSD's installer
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Packs what the installer unpacks last in a new VM, C(site78.tgz) for all VMs and
    C(site78-NAME.tgz) for each VM that is given, where C(NAME) is the first part of its host name,
    and writes them to a directory of the controller together with C(index.txt), by which the
    installer finds them.
  - Runs on the controller alone. It is for sets that a machine other than the server serves; for
    the server itself, the role P(puffy.vmm.autoinstall#role) does this.
  - "C(site/common/) in the fleet directory stands for the root of all new systems, and
    C(site/hosts/VM/) for that of one VM: C(site/common/etc/motd) becomes C(/etc/motd)."
  - The same files make the same bytes, on any machine with the same zlib. All files belong to root
    and wheel, and have the mode 0755 if their owner may execute them and 0644 otherwise, but for
    O(modes). Directories are made as they are needed.
  - A relative symbolic link that stays in the set is kept, and any other is refused. No link is
    followed. Files named C(.gitkeep) are left out.
  - Every VM of the network can fetch what is in a site set. Keep secrets out of it.
options:
  dest:
    description: The directory to write to. It is created if it is missing; no file is removed.
    type: path
    required: true
  fleet:
    description: The fleet directory.
    type: path
    required: true
  release:
    description: The release that the sets are for, such as V(7.8).
    type: str
    required: true
  vms:
    description:
      - The VMs that get a set of their own, with their C(name), C(hostname) and C(ssh_keys), as in
        C(vmm_vms).
      - A VM's set holds all of its keys in C(/install.site.keys), since the response file has room
        for one, and what is in C(site/hosts/VM/).
      - Two VMs whose host names begin alike would have the same set, and are refused.
    type: list
    elements: dict
    default: []
  template:
    description:
      - A Jinja2 template that becomes C(/install.site), which the installer runs at its end.
      - A file C(site/common/install.site) of the fleet directory takes precedence over it.
    type: str
  modes:
    description:
      - Permission bits of single files, by their paths in a set, as four octal digits in quotes.
        git only keeps 0644 and 0755.
      - A path that is in no set of the fleet is refused.
    type: dict
    default: {}
  listed:
    description:
      - Names of other files that C(index.txt) lists. The installer knows the sets of a release from
        C(SHA256.sig), and needs them listed where there is none that it can verify.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
"""

EXAMPLES = r"""
- name: Build the site sets
  puffy.vmm.site_set:
    dest: /srv/mirror/pub/OpenBSD/7.8/amd64
    fleet: "{{ vmm_fleet_directory }}"
    release: "7.8"
    vms: "{{ vmm_vms }}"
    modes:
      var/cron/tabs/root: "0600"
"""

RETURN = r"""
files:
  description: The sets and index.txt.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The file's name.
      type: str
      sample: site78.tgz
    path:
      description: Its path on the controller.
      type: str
      sample: /srv/mirror/pub/OpenBSD/7.8/amd64/site78.tgz
    size:
      description: Its size in bytes.
      type: int
      sample: 1432
    sha256:
      description: Its SHA-256 digest.
      type: str
      sample: a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401
"""
