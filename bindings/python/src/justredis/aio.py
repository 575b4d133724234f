"""The face for asyncio (and uvloop): every loop that uses a multiplexer has a queue of completions, whose descriptor it
watches; one wakeup settles the futures of all that has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional

from . import _justredis, configuration
from .codec import Word, utf8_encode
from .core import Core, Shared, decode_by_endpoint
from .events import events
from .gathered import Gathered, Part, is_error
from .loops import close, loop_queue
from .options import CommandOptions, Decoder, Encoder, Names, Options, RequestOptions
from .sender import Leased, Sender
from .subscription import Message, Subscription, lines_to_add, lines_to_remove

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

# So many requests may be sent before a task that only sends lets the loop take answers.
UNANSWERED = 1000


class Reply:
    """The answer to a command that was sent: await it, or call it and await that, as often as you like.

    Whoever is cancelled while waiting here cancels the command.
    """

    __slots__ = ("_future", "_port", "_request", "_throw")

    def __init__(self, future: asyncio.Future[Any], port: _justredis.Port, request: int, throw: bool) -> None:
        self._future = future
        self._port = port
        self._request = request
        self._throw = throw

    def done(self) -> bool:
        """Whether the answer is there."""
        return self._future.done()

    def cancel(self) -> bool:
        """Ends the command before its answer; false when that is there already. It may have been run."""
        self._future.cancel()
        return self._port.cancel(self._request)

    async def __call__(self) -> Any:
        """Waits for the answer and gives it."""
        try:
            value = await self._future
            if self._throw and is_error(value):
                raise value
            return value
        except asyncio.CancelledError:
            self._port.cancel(self._request)
            raise
        finally:
            # An exception holds this frame, which shall not hold the exception.
            del self
            value = None

    def __await__(self) -> Generator[Any, None, Any]:
        return self().__await__()


class PartReply(Part):
    """The answer to a command of a transaction or a pipeline: await it, or call it and await that, afterwards."""

    __slots__ = ()

    async def __call__(self) -> Any:
        """Gives the answer; there is one when the transaction or pipeline has ended."""
        return self.take()

    def __await__(self) -> Generator[Any, None, Any]:
        return self().__await__()


_Bound = tuple[Optional[asyncio.AbstractEventLoop], _justredis.Port, _justredis.Queue]


class _Commands(Sender):
    """Sends commands: a database, or a lease of one connection."""

    _bound: Optional[_Bound] = None

    def _attach(self, loop: asyncio.AbstractEventLoop) -> _Bound:
        queue = loop_queue(self._core, loop)
        self._bound = bound = loop, self._port_to(queue), queue
        return bound

    def _forget(self) -> None:
        self._bound = None

    async def command(self, *words: Word, **options: Unpack[Options]) -> Reply:
        """Sends a command and does not wait for its answer: `reply = await db.command(...)`, later `await reply`.

        The answer need not be asked for. Options: encoder, decoder, throw; timeout, route, replica, cached, idempotent,
        dedicated (see `justredis.Options`).
        """
        loop = asyncio.get_running_loop()
        bound = self._bound
        if bound is None or bound[0] is not loop:
            bound = self._attach(loop)
        future = loop.create_future()
        throw = options.pop("throw", True) if options else True
        port = bound[1]
        request = port.start(future, words, options)  # type: ignore[arg-type]
        if bound[2].outstanding() > UNANSWERED:
            await asyncio.sleep(0)
        return Reply(future, port, request, throw)

    async def commandreply(self, *words: Word, **options: Unpack[Options]) -> Any:
        """Sends a command and waits for its answer. Options as of `command`."""
        loop = asyncio.get_running_loop()
        bound = self._bound
        if bound is None or bound[0] is not loop:
            bound = self._attach(loop)
        future = loop.create_future()
        port = bound[1]
        request = port.submit(future, words, options)  # type: ignore[arg-type]
        try:
            return await future
        except asyncio.CancelledError:
            port.cancel(request)
            raise

    def multi(self) -> Multi:
        """A transaction: commands that are gathered and run together, between MULTI and EXEC."""
        return Multi(self, self._gather(True))

    def pipeline(self) -> Pipeline:
        """Commands that are gathered and sent in one piece; each has its answer."""
        return Pipeline(self, self._gather(False))

    async def _run(self, gathered: Gathered, options: RequestOptions) -> list[Any]:
        commands = gathered.end()
        if not commands:
            return []
        loop = asyncio.get_running_loop()
        bound = self._bound
        if bound is None or bound[0] is not loop:
            bound = self._attach(loop)
        future = loop.create_future()
        try:
            everything = {**options, "throw": False}
            request = bound[1].submit_batch(future, commands, gathered.atomic, everything)
            try:
                answer = await future
            except asyncio.CancelledError:
                bound[1].cancel(request)
                raise
        except BaseException as error:
            gathered.fail(error)
            raise
        return gathered.settle(answer)


class Database(_Commands):
    """A database number of the server, with an encoder and a decoder. Many may be used at once; they are cheap."""

    def watch(self, *keys: Word) -> Watch:
        """A conditional transaction: `async with db.watch("key") as w`, read by `w.commandreply`, then `w.multi()`.

        It has a connection for itself. If a key has changed until EXEC, RedisTransactionError is raised.
        """
        return Watch(self._core, self._number, self._encoder, self._decoder, keys)


class Watch(Leased, _Commands):
    """A connection for itself, on which keys are watched until the transaction."""

    async def __aenter__(self) -> Self:
        self._begin()
        if self._keys:
            try:
                await self.commandreply("WATCH", *self._keys)
            except BaseException:
                self._end()
                raise
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Gives the connection back; nothing is watched any more."""
        self._end()


class _Gathering:
    def __init__(self, commands: _Commands, gathered: Gathered) -> None:
        self._commands = commands
        self._gathered = gathered

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if error is not None:
            await self.discard()
        elif not self._gathered.ended:
            await self.execute()

    def command(self, *words: Word, **options: Unpack[CommandOptions]) -> PartReply:
        """Adds a command; what it gives can be awaited when all is executed. Options: encoder, decoder, throw."""
        return self._gathered.add(words, options, PartReply)

    async def execute(self, **options: Unpack[RequestOptions]) -> list[Any]:
        """Runs what was gathered, and gives the list of the answers; one that is an error stands there as exception.

        Called at the end of `async with`. Options: timeout, route, replica, idempotent, dedicated.
        """
        return await self._commands._run(self._gathered, options)

    async def discard(self) -> None:
        """Forgets what was gathered: nothing was sent. Called when an exception ends `async with`."""
        if not self._gathered.ended:
            self._gathered.discard()


class Multi(_Gathering):
    """A transaction: its commands run together and nobody comes between, or, if one is refused, none of them."""


class Pipeline(_Gathering):
    """Commands that are sent in one piece and answered each for itself."""


def _new_future(port: _justredis.Port) -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


class PubSub(Subscription):
    """A subscription to channels and patterns. One connection serves all subscriptions of a multiplexer.

    `message` gives what the server says, confirmations too, in its order; iterating gives the messages only, as
    `Message`. When the connection is lost all is subscribed to again; then `message` raises RedisGapError once, and in
    an iteration the next message has `gap`.
    """

    def __init__(self, core: Core, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        super().__init__(core, encoder, decoder, self._tell)
        self._waiters: list[asyncio.Future[None]] = []
        self._lock: Optional[asyncio.Lock] = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the subscription."""
        self._end()
        self._tell()

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _own_queue(self) -> _justredis.Queue:
        return loop_queue(self._core, asyncio.get_running_loop())

    async def _change(self, lines: list[tuple[Word, ...]], may_create: bool) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            futures = self._send(lines, may_create, _new_future)
            outcomes = await asyncio.gather(*futures, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def add(self, channels: Names = None, patterns: Names = None, shards: Names = None) -> None:
        """Subscribes to channels, patterns and sharded channels (one, or several); they are in force when it returns.

        Their confirmations come as messages.
        """
        await self._change(lines_to_add(channels, patterns, shards), True)

    async def remove(self, channels: Names = None, patterns: Names = None, shards: Names = None) -> None:
        """Unsubscribes from them; from all when none is named."""
        await self._change(lines_to_remove(channels, patterns, shards), False)

    async def ping(self, message: Optional[Word] = None) -> None:
        """Pings the server where the messages come from; the answer is one of the messages."""
        await self._send_ping(message, _new_future)

    async def _wait(self, timeout: Optional[float]) -> bool:
        """Waits until something is there to be read; false when the time is over or the subscription closed."""
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        while not self._inbox.items and not self._closed:
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                # What the loop has ready counts, also with a timeout of 0.
                await asyncio.sleep(0)
                if not self._inbox.items:
                    return False
                continue
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            try:
                await asyncio.wait([waiter], timeout=left)
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        return not self._closed

    async def message(self, timeout: Optional[float] = None) -> Any:
        """The next of what the server said, confirmations included; None when none comes in `timeout` seconds.

        Raises RedisGapError once after the connection was lost and made again: messages may be missing there.
        """
        self._attached()
        if not await self._wait(timeout):
            return None
        return self._take()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[Message]:
        while await self._wait(None):
            message = self._take_message()
            if message is not None:
                yield message


class Multiplexer(Shared):
    """A client of a server, a cluster, or servers behind sentinels, which all tasks share.

    Every command is pipelined.

    `configuration` is a URL, a list of endpoints ((host, port), or the path of a Unix socket), or a dictionary of
    options; None is the server at localhost. Commands are sent by what `database` gives.
    """

    def __init__(self, configuration: configuration.Configuration = None) -> None:
        super().__init__(configuration)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends subscriptions and blocking commands, lets the others end, for some seconds, and closes everything."""
        await close(self._core)

    def database(
        self, number: int = 0, encoder: Optional[Encoder] = utf8_encode, decoder: Optional[Decoder] = None
    ) -> Database:
        """A database number, with what makes bytes of words and what makes of answers what is wanted."""
        return Database(self._core, number, encoder, decoder)

    def pubsub(self, encoder: Optional[Encoder] = utf8_encode, decoder: Optional[Decoder] = None) -> PubSub:
        """A subscription, at first to nothing."""
        return PubSub(self._core, encoder, decoder)

    async def endpoints(self) -> list[configuration.Endpoint]:
        """The servers: of a cluster all its nodes."""
        await self.database().commandreply("PING")
        return self._core.endpoints()

    async def run_commandreply_on_all_masters(
        self, *words: Word, encoder: Optional[Encoder] = utf8_encode, decoder: Optional[Decoder] = None
    ) -> dict[configuration.Endpoint, Any]:
        """Runs a command on every master: a dictionary of endpoint to answer. One that failed has its exception."""
        answers = await self.database(0, encoder).commandreply(*words, route="primaries")
        return decode_by_endpoint(answers, decoder)

    def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """What happens to the connections from now on, each as a dictionary: see jr_client_events."""
        return events(self._core)


class MultiplexerPool(Multiplexer):
    """The same: blocking commands and watches have connections of their own, at most `maxconnections` to a server."""
