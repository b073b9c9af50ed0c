"""Keeps what goes outside from reaching what is inside. The standard library alone.

The address that counts is the one that a socket connects to: a name may answer differently each
time it is asked, and a redirect or a library may go elsewhere. So the check stands at the one
place that all of them pass, Python's audit event of `connect` itself, with the very address that
is about to be used. Nothing was sent by then.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RUNS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"})
_READABLE = (sys.prefix, sys.base_prefix, "/etc/", "/usr/lib/", "/usr/share/", "/dev/null")
"""Python's own, and the system's certificates and tables."""


class TargetError(OSError):
    """It is not public and not on the list of what is allowed."""


@dataclass
class Gate:
    """What one call may reach, and what came of it."""

    entries: Sequence[str] = ()
    """Addresses and networks that are allowed beside public ones."""
    refused: list[str] = field(default_factory=list)
    """Whereto it was not let."""
    ended: bool = False
    _held: list[int] = field(default_factory=list)

    def check(self, address: object) -> None:
        """Raise TargetError unless a socket may go there."""
        if self.ended:
            raise TargetError("The time for this call is over.")
        host = address[0] if isinstance(address, tuple) and address else None
        why = "not an address of the internet" if host is None else fault(host, self.entries)
        if why:
            self.refuse(f"{host}, {why}" if host else why)

    def refuse(self, what: str) -> None:
        """Note it and raise TargetError."""
        self.refused.append(what)
        raise TargetError(what)

    def hold(self, descriptor: int) -> None:
        """Remember a connection, to be able to end it."""
        # A duplicate, since TLS takes the first descriptor over.
        self._held.append(os.dup(descriptor))
        if self.ended:
            raise TargetError("The time for this call is over.")

    def end(self) -> None:
        """Cut what is still connected: a receiver that drips its answer holds nobody for long."""
        self.ended = True
        for descriptor in list(self._held):
            with socket.socket(fileno=os.dup(descriptor)) as connection:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # It ended by itself.

    def release(self) -> None:
        """Let go of the duplicates."""
        while self._held:
            os.close(self._held.pop())


class _Here(threading.local):
    gate: Gate | None = None


class _Process:
    gate: Gate | None = None
    installed = False
    lock = threading.Lock()


_here = _Here()


def fault(host: str, entries: Sequence[str] = ()) -> str:
    """Why that address must not be reached, or "". `host` is an address, not a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return "a name that can't be checked"
    for form in _forms(address):
        if not _allowed(form, entries) and not _is_public(form):
            return "which is not public (EVOX_SINK_ALLOW can allow it)"
    return ""


def resolved(entries: Sequence[str], *, names_in: str) -> list[str]:
    """`entries` with the allowed names that the URL `names_in` holds replaced by their addresses.

    A redirect or another answer to the name later leads to an address that isn't among them.
    """
    found = [entry for entry in entries if _is_network(entry)]
    for name in allowed_names(entries, names_in=names_in):
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            continue  # The call itself says so, in its own words.
        found += [str(answer[4][0]) for answer in answers]
    return found


def allowed_names(entries: Sequence[str], *, names_in: str) -> list[str]:
    """Which allowed names the URL `names_in` holds."""
    names = [entry for entry in entries if not _is_network(entry)]
    return [name for name in names if name.lower() in names_in.lower()]


@contextmanager
def guarded(entries: Sequence[str], *, seconds: float) -> Iterator[Gate]:
    """Let this thread reach public addresses and `entries` only, for so many seconds at most."""
    _install()
    gate = Gate(entries=entries)
    timer = threading.Timer(seconds, gate.end)
    timer.daemon = True
    _here.gate = gate
    timer.start()
    try:
        yield gate
    finally:
        _here.gate = None
        timer.cancel()
        timer.join()
        gate.release()


def guard_process(entries: Sequence[str]) -> Gate:
    """Let this whole process, its threads too, reach public addresses and `entries` only.

    It also runs no other program, and opens no file but Python's own and the system's.
    """
    _install()
    _Process.gate = Gate(entries=entries)
    return _Process.gate


def _install() -> None:
    """Hooks can't be taken out again, so there is one; it does nothing where no gate stands."""
    with _Process.lock:
        if not _Process.installed:
            sys.addaudithook(_look)
            _Process.installed = True


def _look(event: str, args: tuple[Any, ...]) -> None:
    if event in _CONNECTS:
        gate = _here.gate or _Process.gate
        if gate is not None and args[1] is not None:  # None: it is connected already.
            gate.check(args[1])
            if gate is _here.gate:
                gate.hold(args[0].fileno())
    elif _Process.gate is not None:
        if event in _RUNS:
            _Process.gate.refuse("a program of this machine")
        elif event == "open" and isinstance(args[0], str) and not _is_readable(args[0]):
            _Process.gate.refuse("a file of this machine")


def _is_readable(path: str) -> bool:
    return os.path.realpath(path).startswith(_READABLE)


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry)
    except ValueError:
        return False
    return True


def _forms(address: Address) -> list[Address]:
    """The address, or the IPv4 one within it, by whatever way it leads there."""
    if isinstance(address, IPv4Address):
        return [address]
    within: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address.teredo:
        within.append(address.teredo[1])
    if address in _NAT64:
        within.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    found = [form for form in within if form is not None]
    return found or [address]


def _allowed(address: Address, entries: Sequence[str]) -> bool:
    return any(address in ip_network(entry) for entry in entries if _is_network(entry))


def _is_public(address: Address) -> bool:
    odd = address.is_multicast or address.is_unspecified or address.is_reserved
    odd = odd or address.is_loopback or address.is_link_local or address.is_private
    if isinstance(address, IPv6Address):
        odd = odd or address.is_site_local
    return address.is_global and not odd
