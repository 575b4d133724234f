"""The face for asyncio (and uvloop): every loop that uses a multiplexer has a queue of completions, whose descriptor it
watches; one wakeup settles the futures of all that has come."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional

from . import _justredis, configuration
from .codec import Word, utf8_bytes_as_strings, utf8_encode
from .core import (
    CLOSE_MS,
    CommandOptions,
    Core,
    Decoder,
    Encoder,
    Gathered,
    Inbox,
    Message,
    Names,
    Options,
    Part,
    RequestOptions,
    command_lines,
    decode_by_endpoint,
    is_error,
    make_message,
    name_list,
)
from .errors import RedisClosedError, RedisGapError

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

# So many requests may be sent before a task that only sends lets the loop take answers.
UNANSWERED = 1000


def _queue(core: Core, loop: asyncio.AbstractEventLoop) -> _justredis.Queue:
    """The queue of a loop, which watches it from now on."""
    queue = core.queues.get(loop)
    if queue is None:
        queue = core.queues[loop] = _justredis.queue()
        loop.add_reader(queue.fileno(), queue.ready)
    return queue


async def _in_a_thread(function: Callable[[], Any]) -> Any:
    """Runs what waits in a thread of its own, which has ended when this has."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(error: Optional[BaseException], value: Any) -> None:
        if not done.done():
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

    def run() -> None:
        outcome: tuple[Optional[BaseException], Any]
        try:
            outcome = None, function()
        except BaseException as error:
            outcome = error, None
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, *outcome)

    thread = threading.Thread(target=run, name="justredis-close", daemon=True)
    thread.start()
    try:
        return await done
    finally:
        thread.join(0 if done.cancelled() else None)


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


class _Commands:
    """Sends commands: a database, or a lease of one connection."""

    _bound: Optional[_Bound] = None

    def __init__(self, core: Core, number: int, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        self._core = core
        self._number = number
        self._encoder = None if encoder is utf8_encode else encoder
        self._decoder = decoder

    def _client(self) -> _justredis.Client:
        return self._core.client(self._number)

    def _attach(self, loop: asyncio.AbstractEventLoop) -> _Bound:
        queue = _queue(self._core, loop)
        self._bound = bound = loop, _justredis.port(self._client(), queue, self._encoder, self._decoder), queue
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
        return Multi(self, Gathered(True, self._encoder, self._decoder))

    def pipeline(self) -> Pipeline:
        """Commands that are gathered and sent in one piece; each has its answer."""
        return Pipeline(self, Gathered(False, self._encoder, self._decoder))

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


class Watch(_Commands):
    """A connection for itself, on which keys are watched until the transaction."""

    def __init__(
        self,
        core: Core,
        number: int,
        encoder: Optional[Encoder],
        decoder: Optional[Decoder],
        keys: tuple[Word, ...],
    ) -> None:
        super().__init__(core, number, encoder, decoder)
        self._keys = keys
        self._lease: Optional[_justredis.Client] = None

    def _client(self) -> _justredis.Client:
        if self._lease is None:
            raise RedisClosedError("a watch is used within `async with`")
        return self._lease

    async def __aenter__(self) -> Self:
        self._lease = self._core.client(self._number).lease(self._keys[0] if self._keys else None)
        if self._keys:
            try:
                await self.commandreply("WATCH", *self._keys)
            except BaseException:
                await self.aclose()
                raise
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Gives the connection back; nothing is watched any more."""
        self._lease = None
        self._forget()


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
        part = PartReply(options.get("throw", True))
        self._gathered.add(words, options, part)
        return part

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


class PubSub:
    """A subscription to channels and patterns. One connection serves all subscriptions of a multiplexer.

    `message` gives what the server says, confirmations too, in its order; iterating gives the messages only, as
    `Message`. When the connection is lost all is subscribed to again; then `message` raises RedisGapError once, and in
    an iteration the next message has `gap`.
    """

    def __init__(self, core: Core, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        self._core = core
        self._encoder = None if encoder is utf8_encode else encoder
        # Others are called when a message is read: what they make could not be told apart here.
        self._decoder = None if decoder is utf8_bytes_as_strings else decoder
        self._utf8 = decoder if decoder is utf8_bytes_as_strings else None
        self._inbox = Inbox(self._tell)
        self._waiters: list[asyncio.Future[None]] = []
        self._port: Optional[_justredis.Port] = None
        self._lock: Optional[asyncio.Lock] = None
        self._closed = False

    @property
    def gaps(self) -> int:
        """How often the connection was lost and made again."""
        return self._inbox.gaps

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the subscription."""
        self._closed = True
        if self._port is not None and self._inbox.id:
            self._port.cancel(self._inbox.id)
        self._tell()

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _attached(self) -> _justredis.Port:
        if self._closed:
            raise RedisClosedError("the subscription is closed")
        if self._port is None:
            queue = _queue(self._core, asyncio.get_running_loop())
            self._port = _justredis.port(self._core.client(), queue, self._encoder, self._utf8)
            self._lock = asyncio.Lock()
        return self._port

    async def _change(self, lines: list[tuple[Word, ...]], may_create: bool) -> None:
        port = self._attached()
        assert self._lock is not None
        loop = asyncio.get_running_loop()
        async with self._lock:
            futures = []
            for words in lines:
                future: asyncio.Future[Any] = loop.create_future()
                if self._inbox.id:
                    port.change(future, words, None, self._inbox.id)
                elif may_create:
                    self._inbox.begin(future)
                    self._inbox.id = port.subscribe(self._inbox, words, None)
                else:
                    continue
                futures.append(future)
            outcomes = await asyncio.gather(*futures, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def add(self, channels: Names = None, patterns: Names = None, shards: Names = None) -> None:
        """Subscribes to channels, patterns and sharded channels (one, or several); they are in force when it returns.

        Their confirmations come as messages.
        """
        lines = command_lines("SUBSCRIBE", channels, patterns, shards)
        if not lines:
            raise ValueError("add() wants channels, patterns or shards")
        await self._change(lines, True)

    async def remove(self, channels: Names = None, patterns: Names = None, shards: Names = None) -> None:
        """Unsubscribes from them; from all when none is named."""
        lines = command_lines("UNSUBSCRIBE", channels, patterns, shards)
        if not any(name_list(names) for names in (channels, patterns, shards)):
            lines = [("UNSUBSCRIBE",), ("PUNSUBSCRIBE",)]
        await self._change(lines, False)

    async def ping(self, message: Optional[Word] = None) -> None:
        """Pings the server where the messages come from; the answer is one of the messages."""
        port = self._attached()
        if not self._inbox.id:
            raise RedisClosedError("there is no subscription yet: add() makes it")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        port.change(future, ("PING",) if message is None else ("PING", message), None, self._inbox.id)
        await future

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
        value = self._inbox.items.popleft().value
        if isinstance(value, Exception):
            raise value
        return self._decoder(value) if self._decoder is not None else value

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[Message]:
        gap = False
        while await self._wait(None):
            item = self._inbox.items.popleft()
            if isinstance(item.value, Exception):
                if not isinstance(item.value, RedisGapError):
                    raise item.value
                gap = True
            elif item.is_message:
                value = self._decoder(item.value) if self._decoder is not None else item.value
                yield make_message(value, gap, item.dropped)
                gap = False


class Multiplexer:
    """A client of a server, a cluster, or servers behind sentinels, which all tasks share.

    Every command is pipelined.

    `configuration` is a URL, a list of endpoints ((host, port), or the path of a Unix socket), or a dictionary of
    options; None is the server at localhost. Commands are sent by what `database` gives.
    """

    def __init__(self, configuration: configuration.Configuration = None) -> None:
        self._core = Core(configuration)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends subscriptions and blocking commands, lets the others end, for some seconds, and closes everything."""
        client = self._core.close()
        if client is not None:
            await _in_a_thread(lambda: client.close(CLOSE_MS))
        here = asyncio.get_running_loop()
        for loop, queue in list(self._core.queues.items()):
            if loop is here:
                queue.ready()
                loop.remove_reader(queue.fileno())
            elif not loop.is_closed():
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_leave, loop, queue)
        self._core.queues.clear()

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

    def statistics(self) -> dict[str, Any]:
        """The state in numbers: nodes, connections, requests, subscriptions, the cache. See jr_client_stats."""
        return self._core.client().stats()

    def locate(self, key: Word) -> dict[str, Any]:
        """Which slot a key has, and which nodes serve it, as far as is known now."""
        return self._core.client().locate(key)

    def set_credentials(self, user: Optional[str], password: str) -> None:
        """What connections authenticate with from now on, those that there are included."""
        self._core.client().set_credentials(user, password)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What happens to the connections from now on, each as a dictionary: see jr_client_events."""
        loop = asyncio.get_running_loop()
        inbox = _EventInbox()
        port = _justredis.port(self._core.client(), _queue(self._core, loop), None, None)
        request = port.events(inbox)
        try:
            while True:
                event = await inbox.queue.get()
                if event is None:
                    return
                yield event
        finally:
            port.cancel(request)


class MultiplexerPool(Multiplexer):
    """The same: blocking commands and watches have connections of their own, at most `maxconnections` to a server."""


class _EventInbox:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[Optional[dict[str, Any]]] = asyncio.Queue()

    def deliver(self, value: Any, flags: int, dropped: int) -> None:
        self.queue.put_nowait(value if flags & _justredis.COMPLETION_MORE else None)


def _leave(loop: asyncio.AbstractEventLoop, queue: _justredis.Queue) -> None:
    queue.ready()
    loop.remove_reader(queue.fileno())
