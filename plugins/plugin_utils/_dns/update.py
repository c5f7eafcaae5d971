# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""SSHFP RRsets at a zone's primary server: queried, and replaced by RFC 2136 updates with TSIG."""

from __future__ import annotations

import base64
import binascii
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns.dnspython import dns

ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")

# A message over TCP has at most 64 KiB; a name with old and new records needs some 400 bytes.
_BATCH = 100


class DnsError(OperatorError):
    """A request that a name server did not carry out, in words for the operator."""


@dataclass(frozen=True)
class Rrset:
    """The SSHFP records of a name as text, and their TTL in seconds."""

    ttl: int
    texts: frozenset[str]


@dataclass(frozen=True)
class Change:
    """What a name has now, and what it should have; None for no records."""

    name: str
    before: Rrset | None
    after: Rrset | None


@dataclass(frozen=True)
class Key:
    """A TSIG key (RFC 8945); the secret is base64, as tsig-keygen(8) prints it."""

    name: str
    secret: str = field(repr=False)
    algorithm: str


@dataclass(frozen=True)
class Primary:
    """Where the primary server of a zone listens for TCP; timeout is in seconds, for each step."""

    zone: str
    server: str
    port: int
    key: Key
    timeout: float

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One connection for a number of questions. Raises DnsError."""
        try:
            decoded = base64.b64decode(self.key.secret, validate=True)
        except (binascii.Error, ValueError):
            raise DnsError(
                f"the secret of the TSIG key {self.key.name} is not base64; give what tsig-keygen "
                f"prints after the word secret"
            ) from None
        key = dns.tsig.Key(self.key.name, decoded, self.key.algorithm)
        try:
            address = (self.server, self.port)
            connection = socket.create_connection(address, timeout=self.timeout)
        except OSError as error:
            why = str(error) if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise DnsError(f"{self} cannot be reached over TCP: {why}") from error
        with connection:
            connection.setblocking(False)
            yield Session(self, key, connection)

    def __str__(self) -> str:
        return f"the name server {self.server} port {self.port}"


class Session:
    """A connection to a zone's primary server. All methods raise DnsError."""

    def __init__(self, primary: Primary, key: Any, connection: socket.socket) -> None:
        self._primary = primary
        self._key = key
        self._connection = connection

    def look(self, name: str) -> Rrset | None:
        """Return the SSHFP records of an absolute name."""
        question = dns.message.make_query(name, dns.rdatatype.SSHFP, flags=0)
        answer = self._ask(question)
        code = answer.rcode()
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise DnsError(f"{self._primary} answers {_text(code)} for {name}")
        if not answer.flags & dns.flags.AA:
            raise DnsError(
                f"{self._primary} has no zone with {name} of its own; give the primary server of "
                f"{self._primary.zone}"
            )
        owner = answer.question[0].name
        for rrset in answer.answer:
            if rrset.name == owner and rrset.rdtype == dns.rdatatype.CNAME:
                raise DnsError(
                    f"{name} is an alias of {rrset[0].target} and can have no records of its "
                    f"own; publish the keys under that name"
                )
            if rrset.name == owner and rrset.rdtype == dns.rdatatype.SSHFP:
                return Rrset(rrset.ttl, frozenset(record.to_text() for record in rrset))
        return None

    def replace(self, changes: Sequence[Change]) -> None:
        """Replace the RRset of each name, provided that it still is what it was before.

        All names of a message change together or not at all (RFC 2136, 3.7).
        """
        for start in range(0, len(changes), _BATCH):
            update = dns.update.UpdateMessage(self._primary.zone)
            for change in changes[start : start + _BATCH]:
                if change.before:
                    update.present(change.name, _rdataset(0, change.before.texts))
                else:
                    update.absent(change.name, dns.rdatatype.SSHFP)
                if change.after:
                    update.replace(change.name, _rdataset(change.after.ttl, change.after.texts))
                else:
                    update.delete(change.name, dns.rdatatype.SSHFP)
            code = self._ask(update).rcode()
            if code != dns.rcode.NOERROR:
                raise DnsError(self._refusal(code))

    def _ask(self, message: Any) -> Any:
        key, primary = self._primary.key.name, self._primary
        message.use_tsig(self._key)
        try:
            answer = dns.query.tcp(
                message, primary.server, timeout=primary.timeout, sock=self._connection
            )
        except dns.tsig.PeerBadKey:
            reason = f"does not know a TSIG key {key} of {primary.key.algorithm}"
        except (dns.tsig.PeerBadSignature, dns.tsig.BadSignature):
            reason = f"has another secret for the TSIG key {key}"
        except (dns.tsig.PeerBadTime, dns.tsig.BadTime):
            reason = "has a clock that differs too much from this machine's; correct the clocks"
        except dns.exception.Timeout:
            reason = f"did not answer within {primary.timeout:g} seconds"
        except EOFError:
            reason = "closed the connection without an answer"
        except (OSError, dns.exception.DNSException) as error:
            reason = f"gave no usable answer: {str(error) or type(error).__name__}"
        else:
            if answer.had_tsig or answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return answer
            reason = f"did not sign its answer with the TSIG key {key}, so it may be anybody's"
        raise DnsError(f"{primary} {reason}")

    def _refusal(self, code: Any) -> str:
        primary, key = self._primary, self._primary.key.name
        if code in (dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.YXDOMAIN, dns.rcode.NXDOMAIN):
            return (
                f"SSHFP records of {primary.zone} were changed by somebody else while this run "
                f"was planning; run again"
            )
        reasons = {
            dns.rcode.REFUSED: f"refuses the update; let it allow the key {key} to change SSHFP "
            "records, in BIND with: update-policy { grant " + key + " zonesub SSHFP; }",
            dns.rcode.NOTAUTH: f"is not the primary server of {primary.zone}; give that one",
            dns.rcode.NOTZONE: f"says that a name is not in its zone {primary.zone}",
        }
        reason = reasons.get(code, "did not carry out the update; see its log")
        return f"{primary} {reason} ({_text(code)})"


def _rdataset(ttl: int, texts: frozenset[str]) -> Any:
    return dns.rdataset.from_text_list("IN", "SSHFP", ttl, sorted(texts))


def _text(code: Any) -> str:
    return str(dns.rcode.to_text(code))
