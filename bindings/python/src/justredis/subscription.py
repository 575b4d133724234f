"""Subscriptions: what the server tells, in its order, until it is read; and what both faces do with it alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Optional, TypeVar

from . import _justredis
from .codec import Word, utf8_bytes_as_strings, utf8_encode
from .core import Core
from .errors import RedisClosedError, RedisGapError
from .options import Decoder, Encoder, Names


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
    one: Any = names
    if names is None:
        return []
    if isinstance(names, (bytes, str, int, float, bytearray, memoryview)):
        return [one]
    return list(dict.fromkeys(names))


def command_lines(verb: str, channels: Names, patterns: Names, shards: Names) -> list[tuple[Word, ...]]:
    """(P|S)SUBSCRIBE or (P|S)UNSUBSCRIBE with what was named of each kind."""
    kinds = (("", channels), ("P", patterns), ("S", shards))
    return [(prefix + verb, *name_list(names)) for prefix, names in kinds if name_list(names)]


FutureT = TypeVar("FutureT", bound="_justredis.Future")


class Subscription:
    """What the subscriptions of both faces have alike; a face says how to wait."""

    def __init__(
        self, core: Core, encoder: Optional[Encoder], decoder: Optional[Decoder], tell: Callable[[], None]
    ) -> None:
        self._core = core
        self._encoder = None if encoder is utf8_encode else encoder
        # Others are called when a message is read: what they make could not be told apart here.
        self._decoder = None if decoder is utf8_bytes_as_strings else decoder
        self._utf8 = decoder if decoder is utf8_bytes_as_strings else None
        self._inbox = Inbox(tell)
        self._port: Optional[_justredis.Port] = None
        self._closed = False
        self._in_gap = False

    @property
    def gaps(self) -> int:
        """How often the connection was lost and made again."""
        return self._inbox.gaps

    def _end(self) -> None:
        self._closed = True
        if self._port is not None and self._inbox.id:
            self._port.cancel(self._inbox.id)

    def _own_queue(self) -> _justredis.Queue:
        """Where its messages arrive."""
        raise NotImplementedError

    def _attached(self) -> _justredis.Port:
        if self._closed:
            raise RedisClosedError("the subscription is closed")
        if self._port is None:
            self._port = _justredis.port(self._core.client(), self._own_queue(), self._encoder, self._utf8)
        return self._port

    def _send(
        self, lines: list[tuple[Word, ...]], may_create: bool, make: Callable[[_justredis.Port], FutureT]
    ) -> list[FutureT]:
        """Sends what changes the subscription; the first makes it. Gives the futures to wait for."""
        port = self._attached()
        futures: list[FutureT] = []
        for words in lines:
            if self._inbox.id:
                future = make(port)
                port.change(future, words, None, self._inbox.id)
            elif may_create:
                future = make(port)
                self._inbox.begin(future)
                self._inbox.id = port.subscribe(self._inbox, words, None)
            else:
                continue
            futures.append(future)
        return futures

    def _send_ping(self, message: Optional[Word], make: Callable[[_justredis.Port], FutureT]) -> FutureT:
        port = self._attached()
        if not self._inbox.id:
            raise RedisClosedError("there is no subscription yet: add() makes it")
        future = make(port)
        port.change(future, ("PING",) if message is None else ("PING", message), None, self._inbox.id)
        return future

    def _decoded(self, value: Any) -> Any:
        return self._decoder(value) if self._decoder is not None else value

    def _take(self) -> Any:
        """The next that is there; a gap is raised."""
        value = self._inbox.items.popleft().value
        if isinstance(value, Exception):
            raise value
        return self._decoded(value)

    def _take_message(self) -> Optional[Message]:
        """The next that is there, if it is a message; a gap is told by the first message behind it."""
        item = self._inbox.items.popleft()
        if isinstance(item.value, RedisGapError):
            self._in_gap = True
        elif isinstance(item.value, Exception):
            raise item.value
        elif item.is_message:
            gap, self._in_gap = self._in_gap, False
            return make_message(self._decoded(item.value), gap, item.dropped)
        return None


def lines_to_add(channels: Names, patterns: Names, shards: Names) -> list[tuple[Word, ...]]:
    lines = command_lines("SUBSCRIBE", channels, patterns, shards)
    if not lines:
        raise ValueError("add() wants channels, patterns or shards")
    return lines


def lines_to_remove(channels: Names, patterns: Names, shards: Names) -> list[tuple[Word, ...]]:
    """Of everything when nothing is named."""
    if not any(name_list(names) for names in (channels, patterns, shards)):
        return [("UNSUBSCRIBE",), ("PUNSUBSCRIBE",)]
    return command_lines("UNSUBSCRIBE", channels, patterns, shards)
