"""What the faces for asyncio and for threads share: the client that is made when it is first used, commands that are
gathered for a transaction or a pipeline, and the messages of a subscription."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Optional, TypedDict, Union

from . import _justredis, configuration
from .codec import Word, utf8_bytes_as_strings, utf8_encode
from .errors import (
    Outcome,
    RedisCancelledError,
    RedisClosedError,
    RedisError,
    RedisGapError,
    RedisReplyError,
    RedisTransactionError,
    make_error,
)

_justredis.setup(make_error, utf8_encode, utf8_bytes_as_strings)
atexit.register(_justredis.end_dials)

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]
Names = Union[None, Word, Iterable[Word]]
# The words of each command, with its encoder and decoder.
Commands = list[tuple[tuple[Word, ...], Optional[Encoder], Optional[Decoder]]]
CLOSE_MS = 5000


class CommandOptions(TypedDict, total=False):
    """What may stand behind the words of a command of a transaction or a pipeline."""

    encoder: Optional[Encoder]
    """Makes bytes of each word; without it the one of the database."""
    decoder: Optional[Decoder]
    """Makes of the answer what is wanted; without it the one of the database."""
    throw: bool
    """False: an error is the value, and not raised."""


class RequestOptions(TypedDict, total=False):
    """What may be said of a request."""

    timeout: Optional[float]
    """Seconds; None is the option `command_timeout`, math.inf none."""
    route: Optional[str]
    """Which nodes: "primaries", "replicas", "all", "random", "host:port", "slot:N", "key:K"."""
    replica: bool
    """A replica may answer."""
    cached: bool
    """It may be answered from the cache (option `cache_bytes`)."""
    idempotent: bool
    """It may run twice: sent again when its connection is lost."""
    dedicated: bool
    """On a connection of its own."""


class Options(CommandOptions, RequestOptions, total=False):
    """What may stand behind the words of a command."""


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
            if self.closed and not self._clients:
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


def is_error(value: object) -> bool:
    return isinstance(value, (RedisReplyError, RedisError))


class Part:
    """The answer to one command of a transaction or a pipeline, once that has ended."""

    __slots__ = ("_done", "_throw", "_value")

    def __init__(self, throw: bool) -> None:
        self._done = False
        self._throw = throw
        self._value: Any = None

    def settle(self, value: Any) -> None:
        self._done = True
        self._value = value

    def take(self) -> Any:
        if not self._done:
            raise RedisError("this command has not been sent: its transaction or pipeline goes on")
        try:
            if self._throw and isinstance(self._value, Exception):
                raise self._value
            return self._value
        finally:
            # An exception holds this frame, which shall not hold the exception.
            del self


class Gathered:
    """Commands that wait to be sent together."""

    def __init__(self, atomic: bool, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        self.atomic = atomic
        self.ended = False
        self._encoder = encoder
        self._decoder = decoder
        self._commands: Commands = []
        self._parts: list[Part] = []

    def add(self, words: tuple[Word, ...], options: CommandOptions, part: Part) -> None:
        if self.ended:
            raise RedisError("this transaction or pipeline has ended")
        unknown = set(options) - {"encoder", "decoder", "throw"}
        if unknown:
            raise TypeError(f"there is no option {unknown.pop()!r} of a command in a transaction or pipeline")
        encoder = options.get("encoder") or self._encoder
        decoder = options.get("decoder") or self._decoder
        self._commands.append((words, encoder, decoder))
        self._parts.append(part)

    def end(self) -> Commands:
        """What is to be sent now."""
        if self.ended:
            raise RedisError("this transaction or pipeline has ended")
        self.ended = True
        return self._commands

    def discard(self) -> None:
        self.ended = True
        self.fail(RedisError("the transaction or pipeline was discarded"))

    def fail(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            error = RedisCancelledError(f"the transaction or pipeline was given up: {type(error).__name__}")
            error.outcome = Outcome.UNKNOWN
        for part in self._parts:
            part.settle(error)

    def settle(self, answer: Any) -> list[Any]:
        """Gives each command its answer; raises what failed as a whole."""
        if len(self._commands) == 1 and not self.atomic:
            answer = [answer]
        if answer is None:
            answer = RedisTransactionError("a watched key has changed: nothing was run")
        if isinstance(answer, Exception):
            self.fail(answer)
            raise answer
        for part, value in zip(self._parts, answer):
            part.settle(value)
        return list(answer)


class Message(NamedTuple):
    """A message of a subscription, as iteration gives it."""

    kind: Any
    """message, pmessage, smessage, ..., as the server says it."""
    channel: Any
    data: Any
    pattern: Any = None
    """Of a pmessage."""
    gap: bool = False
    """Messages may be missing before this one: the connection was lost and made again."""
    dropped: int = 0
    """So many were dropped before this one, because they were not taken in time."""


def make_message(value: Any, gap: bool, dropped: int) -> Message:
    if value[0] in (b"pmessage", "pmessage"):
        return Message(value[0], value[2], value[3], value[1], gap, dropped)
    return Message(value[0], value[1], value[-1], None, gap, dropped)


_CONFIRMATIONS = frozenset(
    word.encode() if as_bytes else word
    for word in ("subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe")
    for as_bytes in (True, False)
)
_PONGS = frozenset((b"pong", "pong"))


class Item(NamedTuple):
    value: Any
    is_message: bool
    dropped: int = 0


class Inbox:
    """What a subscription has told and nobody has read. It hears of everything on the thread that serves its queue."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.items: deque[Item] = deque()
        self.gaps = 0
        self.id = 0
        self._tell = tell
        self._in_gap = False
        self._first: Optional[_justredis.Future] = None
        self._dropped = 0

    def begin(self, first: _justredis.Future) -> None:
        """A subscription is made: `first` is settled when all its channels are confirmed."""
        self._first = first

    def deliver(self, value: Any, flags: int, dropped: int) -> None:
        self._dropped += dropped
        if not flags & _justredis.COMPLETION_MORE:
            self._end(value)
        elif isinstance(value, Exception):
            self.items.append(Item(value, False))
        elif isinstance(value, int):
            if self._first is not None:
                self._first.set_result(value)
                self._first = None
        elif value[0] in _CONFIRMATIONS:
            self._confirmation(value, bool(flags & _justredis.COMPLETION_GAP))
        else:
            self._in_gap = False
            self.items.append(Item(value, value[0] not in _PONGS, self._dropped))
            self._dropped = 0
        self._tell()

    def _confirmation(self, value: Any, gap: bool) -> None:
        if gap and not self._in_gap:
            self._in_gap = True
            self.gaps += 1
            self.items.append(Item(RedisGapError("the connection was lost: messages may be missing"), False))
        self.items.append(Item(value, False))

    def _end(self, value: Any) -> None:
        self.id = 0
        error = value if isinstance(value, Exception) else RedisClosedError("the subscription has ended")
        if self._first is not None:
            self._first.set_exception(error)
            self._first = None
        else:
            self.items.append(Item(error, False))


def name_list(names: Names) -> list[Word]:
    """The channels that were given, each once."""
    if names is None:
        return []
    if isinstance(names, (bytes, str, int, float, bytearray, memoryview)):
        return [names]
    return list(dict.fromkeys(names))


def command_lines(verb: str, channels: Names, patterns: Names, shards: Names) -> list[tuple[Word, ...]]:
    """(P|S)SUBSCRIBE or (P|S)UNSUBSCRIBE with what was named of each kind."""
    kinds = (("", channels), ("P", patterns), ("S", shards))
    return [(prefix + verb, *name_list(names)) for prefix, names in kinds if name_list(names)]


def decode_by_endpoint(answers: dict[bytes, Any], decoder: Optional[Decoder]) -> dict[configuration.Endpoint, Any]:
    """A map of address to answer, as a program reads it."""
    decoded = {}
    for where, value in answers.items():
        if decoder is not None and not isinstance(value, Exception):
            value = decoder(value)
        decoded[configuration.endpoint(where.decode())] = value
    return decoded
