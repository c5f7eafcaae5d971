# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of vm.conf(5); what follows `->` names a method of the parser."""

from __future__ import annotations

from functools import cache

from sandbox.model import lalr

GRAMMAR = """
file:
file: file included NL
file: file NL
file: file macro NL
file: file global NL
file: file switch_block NL
file: file vm_block NL
file: file error NL -> skipped

included: include text -> include
macro: STRING = STRING -> macro

global: local inet6 -> local_inet6
global: local inet6 prefix STRING -> local_prefix6
global: local prefix STRING -> local_prefix4
global: socket owner identity -> socket_owner
global: agentx_head agentx_options
global: staggered start parallel NUMBER delay NUMBER -> staggered
agentx_head: agentx
agentx_options:
agentx_options: agentx_options agentx_option
agentx_option: context STRING
agentx_option: path STRING -> agentx_path

switch_block: switch_head { newlines switch_options } -> switch_end
switch_head: switch text -> switch_begin
switch_options: switch_options switch_option newline
switch_options: switch_option newlines
switch_option: enabled -> set_enabled
switch_option: group text -> switch_group
switch_option: interface text -> switch_interface
switch_option: locked lladdr -> switch_locked
switch_option: rdomain NUMBER -> switch_rdomain
switch_option: state -> switch_state

vm_block: vm_head { newlines vm_options } -> vm_end
vm_head: vm text parent -> vm_begin
parent: -> nothing
parent: instance text -> second
vm_options: vm_options vm_option newline
vm_options: vm_option newlines
vm_option: enabled -> set_enabled
vm_option: sev
vm_option: seves
vm_option: disk text image_format -> disk
vm_option: maybe_local interface maybe_string nic_options -> nic
vm_option: boot text -> boot
vm_option: boot device boot_device -> boot_device
vm_option: cdrom text -> cdrom
vm_option: interfaces NUMBER -> nic_count
vm_option: memory NUMBER -> memory
vm_option: memory STRING -> memory
vm_option: owner identity -> owner
vm_option: allowed

allowed: allow instance { newlines allow_list }
allowed: allow instance allow_flag
allow_list: allow_flag comma_or_newline allow_list
allow_list: allow_flag newlines
allow_flag: boot -> allow
allow_flag: memory -> allow
allow_flag: interface -> allow
allow_flag: disk -> allow
allow_flag: cdrom -> allow
allow_flag: instance -> allow
allow_flag: owner identity -> allow_owner

identity: NUMBER -> identity_number
identity: STRING -> identity_name
image_format: -> nothing
image_format: format text -> image_format

nic_options: { newlines nic_list }
nic_options: nic_series
nic_options:
nic_list: nic_list nic_option newlines
nic_list: nic_option newlines
nic_series: nic_series nic_option maybe_comma
nic_series: nic_option
nic_option: switch text -> nic_switch
nic_option: group text -> nic_group
nic_option: maybe_locked lladdr address -> nic_lladdr
nic_option: rdomain NUMBER -> nic_rdomain
nic_option: state -> nic_state
address: STRING -> address
address: -> nothing

maybe_string: STRING
maybe_string: -> nothing
text: STRING text -> join
text: STRING
maybe_local: -> no
maybe_local: local -> yes
maybe_locked: -> no
maybe_locked: locked -> yes
state: up -> yes
state: down -> no
enabled: enable -> yes
enabled: disable -> no
boot_device: cdrom
boot_device: disk
boot_device: net
maybe_comma: ,
maybe_comma:
newlines: NL newlines
newlines:
comma_or_newline: , newlines
comma_or_newline: newline
newline: NL newlines
"""


@cache
def tables() -> lalr.Tables:
    return lalr.build(GRAMMAR)
