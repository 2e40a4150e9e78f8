"""A zone's primary server, by dynamic update (RFC 2136) signed with TSIG; bind, Knot, PowerDNS and others take it.

Everything goes over TCP, so that an answer is whole, and what is not signed as it should be is refused by dnspython.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update

from drstack.actions.calling import NotSent, Unanswered

if TYPE_CHECKING:
    from drstack.actions.secrets import Secrets
    from drstack.spec.acts import DnsAct

_ONE_S = 10.0


class Primary:
    """`refused`: what is raised where the server answers and does not do it."""

    def __init__(self, told: DnsAct, secrets: Secrets, *, refused: type[Exception]) -> None:
        self._told, self._refused = told, refused
        host, _, port = (told.update or "").partition(":")
        self._address, self._port = self._resolved(host), int(port or 53)
        self._signing: dict[str, Any] = {}
        if told.tsig is not None:
            try:
                ring = dns.tsigkeyring.from_text({told.tsig.name: secrets.filled(told.tsig.secret)})
            except ValueError as error:
                raise NotSent("the secret of the TSIG key is no base64") from error
            self._signing = {"keyring": ring, "keyalgorithm": told.tsig.algorithm}

    def _resolved(self, host: str) -> str:
        import socket  # noqa: PLC0415 - used here alone

        try:
            return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            raise NotSent(f"{host}: {error.strerror or error}") from error

    def look(self) -> tuple[int, tuple[str, ...]] | None:
        name = self._name()
        query = dns.message.make_query(name, self._told.type)
        query.flags &= ~dns.flags.RD
        if self._signing:
            query.use_tsig(self._signing["keyring"], algorithm=self._signing["keyalgorithm"])
        answer = self._asked(query)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            return None
        if answer.rcode() != dns.rcode.NOERROR:
            raise self._refused(
                f"{self._told.update} answered {dns.rcode.to_text(answer.rcode())} to a question for {name}"
            )
        if not answer.flags & dns.flags.AA:
            raise self._refused(f"{self._told.update} does not answer for {self._told.zone} by itself")
        found: Any = next(
            (rrset for rrset in answer.answer if rrset.name == name and rrset.rdtype == self._type()), None
        )
        return None if found is None else (found.ttl, tuple(sorted(str(rdata.to_text()) for rdata in found)))

    def write(self, values: tuple[str, ...]) -> None:
        """Replace the record, whole, in one update."""
        update = dns.update.UpdateMessage(self._told.zone, **self._signing)
        update.replace(self._name(), dns.rdataset.from_text("IN", self._told.type, self._told.ttl, *values))
        answer = self._asked(update)
        if answer.rcode() != dns.rcode.NOERROR:
            raise self._refused(f"{self._told.update} answered {dns.rcode.to_text(answer.rcode())} to the update")

    def _name(self) -> dns.name.Name:
        zone = dns.name.from_text(self._told.zone)
        return zone if self._told.record == "@" else dns.name.from_text(self._told.record, zone)

    def _type(self) -> dns.rdatatype.RdataType:
        return dns.rdatatype.from_text(self._told.type)

    def _asked(self, message: dns.message.Message) -> dns.message.Message:
        try:
            return dns.query.tcp(message, self._address, timeout=_ONE_S, port=self._port)
        except ConnectionRefusedError as error:
            raise NotSent(f"{self._told.update}: nothing listens there") from error
        except dns.tsig.PeerError as error:
            raise self._refused(f"{self._told.update} does not take the key: {error}") from error
        except (OSError, EOFError, dns.exception.DNSException) as error:
            raise Unanswered(f"{self._told.update}: {str(error) or type(error).__name__}") from error
