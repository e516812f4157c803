"""Which addresses may be reached, and who finds them.

    reach_of        public, private (an operator may allow it by exact host:port) or never
    Resolver        name -> addresses, asked once per fetch
    SystemResolver  the machine's resolver, with a time limit

The tables are our own because `ipaddress.is_global` changed its mind between patch releases of Python 3.11, and because for IPv6
it is safer to list what is allowed (global unicast, less its special blocks) than what is not.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Sequence
from enum import StrEnum
from queue import Empty, SimpleQueue
from typing import Protocol

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reach(StrEnum):
    """How far an address may be reached from here."""

    PUBLIC = "public"
    PRIVATE = "private"
    """Inside somebody's network: only for hosts on the operator's list."""
    NEVER = "never"
    """Not a host that anybody could mean: refused even for hosts on the operator's list."""


_PRIVATE: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "127.0.0.0/8",  # loopback
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",  # unique local, RFC 4193
    )
)

_NEVER: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network"; Linux takes 0.0.0.0 for loopback
        "100.100.100.200/32",  # a cloud's metadata service inside the CGNAT range
        "168.63.129.16/32",  # a cloud's host agent at a public address
        "169.254.0.0/16",  # link-local: the metadata service of most clouds
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "fd00:ec2::/32",  # a cloud's metadata service inside the unique-local range
        "2001::/23",  # IETF special purpose: Teredo (an IPv4 address inside), benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def reach_of(address: Address) -> Reach:
    """Whether an address is public, private or never to be reached.

    An address with another inside is judged by what it leads to: 64:ff9b::/96 (NAT64) counts as the IPv4 address inside when
    that is public, so that machines with IPv6 alone work (RFC 6052 3.1 forbids it for others). Every other embedding is `NEVER`:
    IPv4-mapped and -compatible, 64:ff9b:1::/48 (RFC 8215), 6to4, Teredo. So is anything with a zone.
    """
    if any(address in network for network in _NEVER):
        return Reach.NEVER
    if isinstance(address, ipaddress.IPv4Address):
        return Reach.PRIVATE if any(address in network for network in _PRIVATE) else Reach.PUBLIC
    if address.scope_id is not None:
        return Reach.NEVER
    if any(address in network for network in _PRIVATE):
        return Reach.PRIVATE
    if address in _NAT64:
        inside = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return Reach.PUBLIC if reach_of(inside) is Reach.PUBLIC else Reach.NEVER
    return Reach.PUBLIC if address in _GLOBAL_UNICAST else Reach.NEVER


class Resolver(Protocol):
    """Finds the addresses of a name."""

    def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """All addresses of a host, best first, as text. OSError when there is none; TimeoutError after `seconds`."""
        ...


class SystemResolver:
    """The machine's resolver, each question on a thread that is left behind when it takes too long.

    getaddrinfo cannot be interrupted and waits far longer than any deadline of ours on a name server that is silent. At most
    `most_at_once` questions are under way, so that names of a slow server cannot pile up threads.
    """

    def __init__(self, most_at_once: int = 32) -> None:
        self._slots = threading.BoundedSemaphore(most_at_once)

    def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """As Resolver says. `localhost` and names below it are this machine, without asking anybody (RFC 6761 6.3)."""
        if host == "localhost" or host.endswith(".localhost"):
            return ("127.0.0.1",)
        if not self._slots.acquire(timeout=seconds):
            raise TimeoutError("too many names are being resolved")
        answer: SimpleQueue[tuple[str, ...] | OSError] = SimpleQueue()
        thread = threading.Thread(target=self._ask, args=(host, port, answer), name="resolver", daemon=True)
        try:
            thread.start()
        except RuntimeError as fault:
            self._slots.release()
            raise OSError("no thread to resolve a name") from fault
        try:
            found = answer.get(timeout=seconds)
        except Empty:
            raise TimeoutError("the name was not resolved in time") from None
        if isinstance(found, OSError):
            raise found
        return found

    def _ask(self, host: str, port: int, answer: SimpleQueue[tuple[str, ...] | OSError]) -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put(tuple(dict.fromkeys(str(row[4][0]) for row in rows)))
        except OSError as fault:
            answer.put(fault)
        except UnicodeError:
            answer.put(OSError("not a name that can be resolved"))
        finally:
            self._slots.release()
