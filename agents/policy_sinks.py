"""What a sink's address may be, and how much of it is shown. No Django here."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from agents.states import SinkKind

# Apprise services that run something on this machine, or speak to its desktop or devices.
LOCAL_SCHEMES = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)
_SCHEME = re.compile(r"^([a-z0-9][a-z0-9+.-]{0,31})://.", re.IGNORECASE)


def fault(kind: SinkKind, url: str) -> str:
    """Why a sink of that kind can't have that address, or ""."""
    found = _SCHEME.match(url)
    if found is None or any(not character.isprintable() or character == " " for character in url):
        return "This is no address: it begins with a service and ://, and has no spaces."
    scheme = found[1].lower()
    if kind is SinkKind.WEBHOOK:
        return _fault_of_webhook(scheme, url)
    if scheme in LOCAL_SCHEMES:
        return f"{scheme}:// runs on this machine; a sink is outside."
    return ""


def _fault_of_webhook(scheme: str, url: str) -> str:
    if scheme not in {"http", "https"}:
        return "A webhook's address begins with https:// or http://."
    try:
        parts = urlsplit(url)
        _ = parts.port  # Reading it refuses what is no port.
    except ValueError:
        return "Its host or port can't be read."
    return "" if parts.hostname else "It names no host."


def masked(kind: SinkKind, url: str) -> str:
    """The address without what may be a password: for Apprise, all but the service may be."""
    try:
        parts = urlsplit(url)
        if kind is SinkKind.APPRISE or not parts.hostname:
            return f"{parts.scheme}://…"
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    return f"{parts.scheme}://{parts.hostname}{port}/…"
