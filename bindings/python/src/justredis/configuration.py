"""From the configuration that a program gives to the options of the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, Union

Endpoint = Union[str, tuple[str, int]]
Configuration = Union[None, str, Sequence[Endpoint], Mapping[str, Any]]
Dialer = Callable[[str, float], Any]


def seconds(value: Any) -> str:
    """A number of seconds as the library writes durations; what is text already stays."""
    return value if isinstance(value, str) else f"{max(1, round(value * 1000))}ms"


def switch(value: Any) -> str:
    return value if isinstance(value, str) else ("on" if value else "off")


def seconds_or_off(value: Any) -> str:
    return "off" if value is None or value is False or value == 0 else seconds(value)


def buffer_size(value: Any) -> str:
    """The library has no smaller one than 32 KiB."""
    return value if isinstance(value, str) else str(max(32768, value))


def plain(value: Any) -> str:
    """A value of one of the library's own options: numbers of seconds where it wants a duration are text."""
    if isinstance(value, bool):
        return switch(value)
    return str(value)


# The names of the ancestor, and what they are called in the library.
NAMES: dict[str, tuple[tuple[str, ...], Callable[[Any], str]]] = {
    "password": (("password",), str),
    "connecttimeout": (("connect_timeout",), seconds),
    "connectretry": (("connect_retries",), str),
    "sockettimeout": (("command_timeout", "dead_after"), seconds),
    "recvbuffersize": (("receive_buffer",), buffer_size),
    "tcpkeepalive": (("tcp_keepalive",), seconds_or_off),
    "tcpnodelay": (("tcp_nodelay",), switch),
    "maxconnections": (("max_connections",), str),
}


def address(endpoint: Endpoint) -> str:
    if isinstance(endpoint, str):
        return endpoint
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def endpoint(address: str) -> Endpoint:
    """The endpoint that an address of the library is: (host, port), or the path of a Unix socket."""
    host, colon, port = address.rpartition(":")
    if not colon or address.startswith("/") or not port.isdigit():
        return address
    return host.strip("[]"), int(port)


def read(configuration: Configuration) -> tuple[list[tuple[str, str]], Optional[Dialer]]:
    """The options, in the order in which they are set, and the function that dials.

    A configuration is a URL, a list of endpoints, or a dictionary: of the ancestor's names, with seconds for durations,
    and of the library's options (`url`, `tls_ca`, `topology`, ...), with values as the library reads them.
    """
    if configuration is None:
        return [], None
    if isinstance(configuration, str):
        return [("url", configuration)], None
    if not isinstance(configuration, Mapping):
        return [("endpoints", ",".join(map(address, configuration)))], None
    options: list[tuple[str, str]] = []
    dialer: Optional[Dialer] = None
    for name, value in configuration.items():
        if name == "connectionhandler":
            dialer = value
        elif name == "endpoints" and not isinstance(value, str):
            options.append((name, ",".join(map(address, value))))
        elif name == "password" and value is None:
            continue
        elif name in NAMES:
            names, write = NAMES[name]
            options += [(each, write(value)) for each in names]
        else:
            options.append((name, plain(value)))
    # A URL sets much at once: what is named beside it counts more.
    options.sort(key=lambda option: option[0] != "url")
    return options, dialer
