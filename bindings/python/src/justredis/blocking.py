"""The face for threads: the same names as for asyncio, without `await`. Each thread has a queue of completions of its
own, and a lone command is written and read on the thread that called. A signal handler that raises, such as that of
Ctrl-C, ends what waits, and the command is cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, cast

from . import _justredis, configuration
from .codec import Word, utf8_encode
from .core import CLOSE_MS, Core, Shared, decode_by_endpoint
from .errors import RedisForkedError
from .gathered import Gathered, Part, is_error
from .options import CommandOptions, Commands, Decoder, Encoder, Names, Options, RequestOptions
from .sender import Leased, Sender
from .subscription import Message, Subscription, lines_to_add, lines_to_remove

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


def _queue(core: Core) -> _justredis.Queue:
    """The queue of this thread."""
    try:
        return cast(_justredis.Queue, core.local.queue)
    except AttributeError:
        queue = core.local.queue = _justredis.queue()
        return queue


class Reply:
    """The answer to a command that was sent: call it to wait for it, as often as you like."""

    __slots__ = ("_done", "_error", "_port", "_queue", "_request", "_throw", "_value")

    def __init__(self, queue: _justredis.Queue, port: _justredis.Port, throw: bool) -> None:
        self._queue = queue
        self._port = port
        self._request = 0
        self._throw = throw
        self._done = False
        self._value: Any = None
        self._error: Optional[BaseException] = None

    def set_result(self, value: Any) -> None:
        self._value = value
        self._done = True

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._done = True

    def done(self) -> bool:
        """Whether the answer is there; never waits."""
        if not self._done:
            self._queue.ready()
        return self._done

    def cancel(self) -> bool:
        """Ends the command before its answer; false when that is there already. It may have been run."""
        return self._port.cancel(self._request)

    def __call__(self) -> Any:
        """Waits for the answer and gives it."""
        while not self._done:
            self._queue.wait(-1)
        try:
            if self._error is not None:
                raise self._error
            if self._throw and is_error(self._value):
                raise self._value
            return self._value
        finally:
            # An exception holds this frame, which shall not hold the exception.
            del self

    def _wait_or_cancel(self) -> Any:
        try:
            return self()
        except BaseException:
            if not self._done:
                self.cancel()
            raise


class PartReply(Part):
    """The answer to a command of a transaction or a pipeline: call it, afterwards."""

    __slots__ = ()

    def __call__(self) -> Any:
        """Gives the answer; there is one when the transaction or pipeline has ended."""
        return self.take()


class _Commands(Sender):
    """Sends commands: a database, or a lease of one connection."""

    def __init__(self, core: Core, number: int, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        super().__init__(core, number, encoder, decoder)
        self._local = threading.local()

    def _attach(self) -> _justredis.Port:
        port = self._local.port = self._port_to(_queue(self._core))
        return port

    def _forget(self) -> None:
        self._local = threading.local()

    def _port(self) -> _justredis.Port:
        try:
            return cast(_justredis.Port, self._local.port)
        except AttributeError:
            return self._attach()

    def command(self, *words: Word, **options: Unpack[Options]) -> Reply:
        """Sends a command and does not wait for its answer: `reply = db.command(...)`, later `reply()`.

        The answer need not be asked for. Options: encoder, decoder, throw; timeout, route, replica, cached, idempotent,
        dedicated (see `justredis.Options`).
        """
        throw = options.pop("throw", True) if options else True
        try:
            return self._start(self._port(), words, options, throw)
        except RedisForkedError:
            return self._start(self._attach(), words, options, throw)

    def _start(self, port: _justredis.Port, words: tuple[Word, ...], options: Options, throw: bool) -> Reply:
        reply = Reply(_queue(self._core), port, throw)
        reply._request = port.start(reply, words, options)  # type: ignore[arg-type]
        return reply

    def commandreply(self, *words: Word, **options: Unpack[Options]) -> Any:
        """Sends a command and waits for its answer. Options as of `command`."""
        try:
            return self._port().call(words, options)  # type: ignore[arg-type]
        except RedisForkedError:
            return self._attach().call(words, options)  # type: ignore[arg-type]

    def multi(self) -> Multi:
        """A transaction: commands that are gathered and run together, between MULTI and EXEC."""
        return Multi(self, self._gather(True))

    def pipeline(self) -> Pipeline:
        """Commands that are gathered and sent in one piece; each has its answer."""
        return Pipeline(self, self._gather(False))

    def _submit(self, port: _justredis.Port, commands: Commands, atomic: bool, options: dict[str, Any]) -> Reply:
        reply = Reply(_queue(self._core), port, False)
        reply._request = port.submit_batch(reply, commands, atomic, options)
        return reply

    def _run(self, gathered: Gathered, options: RequestOptions) -> list[Any]:
        commands = gathered.end()
        if not commands:
            return []
        everything = {**options, "throw": False}
        try:
            try:
                reply = self._submit(self._port(), commands, gathered.atomic, everything)
            except RedisForkedError:
                reply = self._submit(self._attach(), commands, gathered.atomic, everything)
            answer = reply._wait_or_cancel()
        except BaseException as error:
            gathered.fail(error)
            raise
        return gathered.settle(answer)


class Database(_Commands):
    """A database number of the server, with an encoder and a decoder. All threads may use it at once."""

    def watch(self, *keys: Word) -> Watch:
        """A conditional transaction: `with db.watch("key") as w`, read by `w.commandreply`, then `w.multi()`.

        It has a connection for itself. If a key has changed until EXEC, RedisTransactionError is raised.
        """
        return Watch(self._core, self._number, self._encoder, self._decoder, keys)


class Watch(Leased, _Commands):
    """A connection for itself, on which keys are watched until the transaction."""

    def __enter__(self) -> Self:
        self._begin()
        if self._keys:
            try:
                self.commandreply("WATCH", *self._keys)
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connection back; nothing is watched any more."""
        self._end()


class _Gathering:
    def __init__(self, commands: _Commands, gathered: Gathered) -> None:
        self._commands = commands
        self._gathered = gathered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is not None:
            self.discard()
        elif not self._gathered.ended:
            self.execute()

    def command(self, *words: Word, **options: Unpack[CommandOptions]) -> PartReply:
        """Adds a command; what it gives can be called when all is executed. Options: encoder, decoder, throw."""
        return self._gathered.add(words, options, PartReply)

    def execute(self, **options: Unpack[RequestOptions]) -> list[Any]:
        """Runs what was gathered, and gives the list of the answers; one that is an error stands there as exception.

        Called at the end of `with`. Options: timeout, route, replica, idempotent, dedicated.
        """
        return self._commands._run(self._gathered, options)

    def discard(self) -> None:
        """Forgets what was gathered: nothing was sent. Called when an exception ends `with`."""
        if not self._gathered.ended:
            self._gathered.discard()


class Multi(_Gathering):
    """A transaction: its commands run together and nobody comes between, or, if one is refused, none of them."""


class Pipeline(_Gathering):
    """Commands that are sent in one piece and answered each for itself."""


class PubSub(Subscription):
    """A subscription to channels and patterns. One connection serves all subscriptions of a multiplexer.

    `message` gives what the server says, confirmations too, in its order; iterating gives the messages only, as
    `Message`. When the connection is lost all is subscribed to again; then `message` raises RedisGapError once, and in
    an iteration the next message has `gap`.
    """

    def __init__(self, core: Core, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        super().__init__(core, encoder, decoder, lambda: None)
        self._queue = _justredis.queue()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the subscription, also for a thread that waits for its messages."""
        self._end()
        self._queue.wake()

    def _own_queue(self) -> _justredis.Queue:
        return self._queue

    def _new_reply(self, port: _justredis.Port) -> Reply:
        return Reply(self._queue, port, True)

    def _change(self, lines: list[tuple[Word, ...]], may_create: bool) -> None:
        with self._lock:
            replies = self._send(lines, may_create, self._new_reply)
        for reply in replies:
            reply()

    def add(self, channels: Names = None, patterns: Names = None, shards: Names = None) -> None:
        """Subscribes to channels, patterns and sharded channels (one, or several); they are in force when it returns.

        Their confirmations come as messages.
        """
        self._change(lines_to_add(channels, patterns, shards), True)

    def remove(self, channels: Names = None, patterns: Names = None, shards: Names = None) -> None:
        """Unsubscribes from them; from all when none is named."""
        self._change(lines_to_remove(channels, patterns, shards), False)

    def ping(self, message: Optional[Word] = None) -> None:
        """Pings the server where the messages come from; the answer is one of the messages."""
        self._send_ping(message, self._new_reply)()

    def _wait(self, timeout: Optional[float]) -> bool:
        """Waits until something is there to be read; false when the time is over or the subscription closed."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._inbox.items:
            if self._closed:
                return False
            left = -1 if end is None else max(0, int((end - time.monotonic()) * 1000 + 0.999))
            if self._queue.wait(left) == 0 and left == 0:
                return False
        return not self._closed

    def message(self, timeout: Optional[float] = None) -> Any:
        """The next of what the server said, confirmations included; None when none comes in `timeout` seconds.

        Raises RedisGapError once after the connection was lost and made again: messages may be missing there.
        """
        self._attached()
        if not self._wait(timeout):
            return None
        return self._take()

    def __iter__(self) -> Iterator[Message]:
        while self._wait(None):
            message = self._take_message()
            if message is not None:
                yield message


class Multiplexer(Shared):
    """A client of a server, a cluster, or servers behind sentinels, which all threads share.

    Every command is pipelined.

    `configuration` is a URL, a list of endpoints ((host, port), or the path of a Unix socket), or a dictionary of
    options; None is the server at localhost. Commands are sent by what `database` gives.
    """

    def __init__(self, configuration: configuration.Configuration = None) -> None:
        super().__init__(configuration)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends subscriptions and blocking commands, lets the others end, for some seconds, and closes everything."""
        client = self._core.close()
        if client is not None:
            client.close(CLOSE_MS)

    def database(
        self, number: int = 0, encoder: Optional[Encoder] = utf8_encode, decoder: Optional[Decoder] = None
    ) -> Database:
        """A database number, with what makes bytes of words and what makes of answers what is wanted."""
        return Database(self._core, number, encoder, decoder)

    def pubsub(self, encoder: Optional[Encoder] = utf8_encode, decoder: Optional[Decoder] = None) -> PubSub:
        """A subscription, at first to nothing."""
        return PubSub(self._core, encoder, decoder)

    def endpoints(self) -> list[configuration.Endpoint]:
        """The servers: of a cluster all its nodes."""
        self.database().commandreply("PING")
        return self._core.endpoints()

    def run_commandreply_on_all_masters(
        self, *words: Word, encoder: Optional[Encoder] = utf8_encode, decoder: Optional[Decoder] = None
    ) -> dict[configuration.Endpoint, Any]:
        """Runs a command on every master: a dictionary of endpoint to answer. One that failed has its exception."""
        answers = self.database(0, encoder).commandreply(*words, route="primaries")
        return decode_by_endpoint(answers, decoder)


class MultiplexerPool(Multiplexer):
    """The same: blocking commands and watches have connections of their own, at most `maxconnections` to a server."""
