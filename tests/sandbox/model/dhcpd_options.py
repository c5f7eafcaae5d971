# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The options of dhcpd.conf(5), and how their values are written (RFC 2132, dhcp-options(5)).

A format is a row of letters: I an address, l/L s/S b/B whole numbers of 32, 16 and 8 bits, t text,
f a flag, X text or hexadecimal octets, C an address with a number of bits, D domain names; A at the
end: any number of the letters before it, with commas between.
"""

from __future__ import annotations

_NAMED = {
    "I": """subnet-mask swap-server broadcast-address router-solicitation-address
        dhcp-requested-address dhcp-server-identifier""",
    "IA": """routers time-servers ien116-name-servers domain-name-servers log-servers cookie-servers
        lpr-servers impress-servers resource-location-servers nis-servers ntp-servers
        netbios-name-servers netbios-dd-server font-servers x-display-manager nisplus-servers
        mobile-ip-home-agent smtp-server pop-server nntp-server www-server finger-server irc-server
        streettalk-server streettalk-directory-assistance-server nds-servers
        voip-configuration-server""",
    "IIA": "policy-filter static-routes",
    "CIA": "classless-static-routes classless-ms-static-routes",
    "D": "domain-search",
    "X": """host-name vendor-encapsulated-options dhcp-client-identifier relay-agent-information
        nds-tree-name nds-context""",
    "t": """merit-dump domain-name root-path extensions-path nis-domain netbios-scope dhcp-message
        dhcp-class-identifier nisplus-domain tftp-server-name bootfile-name user-class
        tftp-config-file autoproxy-script""",
    "f": """ip-forwarding non-local-source-routing all-subnets-local perform-mask-discovery
        mask-supplier router-discovery trailer-encapsulation ieee802-3-encapsulation
        tcp-keepalive-garbage""",
    "l": "time-offset",
    "L": """path-mtu-aging-timeout arp-cache-timeout tcp-keepalive-interval dhcp-lease-time
        dhcp-renewal-time dhcp-rebinding-time ipv6-only-preferred""",
    "S": "boot-size max-dgram-reassembly interface-mtu dhcp-max-message-size",
    "SA": "path-mtu-plateau-table",
    "B": """default-ip-ttl default-tcp-ttl netbios-node-type dhcp-option-overload
        dhcp-message-type""",
    "BA": "dhcp-parameter-request-list",
    "": "pad",
    "e": "option-end",
}

_SPANS = ((62, 63), (78, 81), (83, 84), (88, 107), (109, 118), (120, 120), (122, 143), (145, 149),
          (151, 248), (250, 251), (253, 254))  # fmt: skip

FORMATS: dict[str, str] = {
    **{name: letters for letters, names in _NAMED.items() for name in names.split()},
    **{f"option-{n}": "X" for first, last in _SPANS for n in range(first, last + 1)},
}
