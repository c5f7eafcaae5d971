# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The only place that imports dnspython; where it is missing, its first use reports that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.puffy.vmm.plugins.module_utils._libraries import _Missing

if TYPE_CHECKING:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.query
    import dns.rcode
    import dns.rdataset
    import dns.rdatatype
    import dns.tsig
    import dns.update
else:
    try:
        import dns.exception
        import dns.flags
        import dns.message
        import dns.query
        import dns.rcode
        import dns.rdataset
        import dns.rdatatype
        import dns.tsig
        import dns.update
    except ImportError:
        dns = _Missing("dnspython")

__all__ = ["dns"]
