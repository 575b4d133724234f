"""The client that a multiplexer has: made when it is first used, and anew in a child process."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from typing import Any, Optional

from . import _justredis, configuration
from .codec import Word, utf8_bytes_as_strings, utf8_encode
from .errors import RedisClosedError, make_error
from .options import Decoder

_justredis.setup(make_error, utf8_encode, utf8_bytes_as_strings)
atexit.register(_justredis.end_dials)

CLOSE_MS = 5000


class Core:
    """A client, made when it is first used: servers that fork do so before. In a child process it is made anew."""

    def __init__(self, given: configuration.Configuration) -> None:
        self._options, self._dialer = configuration.read(given)
        _justredis.check(self._options)
        if self._dialer is not None and not callable(self._dialer):
            raise TypeError("connectionhandler is a function (address, timeout) that gives a socket")
        self._start_anew()
        self.closed = False
        _cores.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[int, _justredis.Client] = {}
        self.queues: weakref.WeakKeyDictionary[Any, _justredis.Queue] = weakref.WeakKeyDictionary()
        self.local = threading.local()

    def client(self, database: int = 0) -> _justredis.Client:
        """The client, or its view on another database than the one that the configuration names."""
        with self._lock:
            if self.closed:
                raise RedisClosedError("the multiplexer is closed")
            if not self._clients:
                self._clients[0] = _justredis.client(self._options, self._dialer)
            if database not in self._clients:
                self._clients[database] = self._clients[0].database(database)
            return self._clients[database]

    def close(self) -> Optional[_justredis.Client]:
        """From now on nothing is accepted; gives the client, whose close() is to be called, if there is one."""
        with self._lock:
            self.closed = True
            return self._clients.get(0)

    def endpoints(self) -> list[configuration.Endpoint]:
        return [configuration.endpoint(node["address"]) for node in self.client().stats()["nodes"]]


_cores: weakref.WeakSet[Core] = weakref.WeakSet()


def _in_the_child() -> None:
    _justredis.after_fork()
    for core in list(_cores):
        core._start_anew()


os.register_at_fork(after_in_child=_in_the_child)


class Shared:
    """What the multiplexers of both faces have alike."""

    def __init__(self, configuration: configuration.Configuration) -> None:
        self._core = Core(configuration)

    def statistics(self) -> dict[str, Any]:
        """The state in numbers: nodes, connections, requests, subscriptions, the cache. See jr_client_stats."""
        return self._core.client().stats()

    def locate(self, key: Word) -> dict[str, Any]:
        """Which slot a key has, and which nodes serve it, as far as is known now."""
        return self._core.client().locate(key)

    def set_credentials(self, user: Optional[str], password: str) -> None:
        """What connections authenticate with from now on, those that there are included."""
        self._core.client().set_credentials(user, password)


def decode_by_endpoint(answers: dict[bytes, Any], decoder: Optional[Decoder]) -> dict[configuration.Endpoint, Any]:
    """A map of address to answer, as a program reads it."""
    decoded: dict[configuration.Endpoint, Any] = {}
    for where, value in answers.items():
        if decoder is not None and not isinstance(value, Exception):
            value = decoder(value)
        decoded[configuration.endpoint(where.decode())] = value
    return decoded
