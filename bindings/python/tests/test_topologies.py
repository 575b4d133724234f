"""The capabilities that are there everywhere, on both faces, in each of the topologies that the file named by
JR_TOPOLOGIES lists. The servers serve other tests, too: keys, channels and names of clients are of one test only."""

import asyncio
import os
import pathlib
import re
import signal
import threading
import uuid

import pytest

import faces
from justredis import (
    Outcome,
    RedisCancelledError,
    RedisReplyError,
    RedisTimeoutError,
    RedisTransactionError,
    utf8_bytes_as_strings,
)

TOPOLOGIES = dict(line.split("\t") for line in pathlib.Path(os.environ["JR_TOPOLOGIES"]).read_text().splitlines())

capability = pytest.mark.capability


class Place:
    """Where a test runs, and the keys that are its own: in slots of all nodes."""

    def __init__(self, face, url):
        self._face = face
        self._url = url
        self.name = f"python:{face.name}:{uuid.uuid4().hex}"
        self.keys = [f"{self.name}:{number}" for number in range(40)]

    def multiplexer(self, **options):
        return self._face.multiplexer({"url": self._url, "client_name": self.name, **options})

    async def until_blocked(self, redis, count):
        """Until so many connections of this test wait at the servers."""
        waits = re.compile(rf" name={self.name} .* flags=\w*b")
        while True:
            lists = await redis.run_commandreply_on_all_masters("CLIENT", "LIST")
            lines = b"".join(lists.values()).decode().splitlines()
            if len([line for line in lines if waits.search(line)]) == count:
                return
            await asyncio.sleep(0.001)


@pytest.fixture(params=TOPOLOGIES)
def topology(request):
    return request.param


@pytest.fixture
def place(face, topology):
    return Place(face, TOPOLOGIES[topology])


@capability("command")
async def test_words_of_any_bytes(place):
    async with place.multiplexer() as redis:
        c = redis.database().commandreply
        for number, key in enumerate(place.keys):
            value = bytes((byte + number) % 256 for byte in range(256)) * (number + 1)
            assert await c("SET", key, value) == b"OK"
            assert await c("GET", key) == value
            tag = f"{{{key}}}"
            assert await c("GET", tag + "none") is None
            assert await c("RPUSH", tag + "list", b"", b"\r\n\0", number) == 3
            assert await c("LRANGE", tag + "list", 0, -1) == [b"", b"\r\n\0", str(number).encode()]
            assert await c("HSET", tag + "hash", "field", "value") == 1
            assert await c("HGETALL", tag + "hash") == {b"field": b"value"}


@capability("many in flight")
async def test_a_thousand_in_flight(place):
    async with place.multiplexer() as redis:
        db = redis.database()
        # Who does not know yet where the keys are is sent on, and that changes the order.
        assert [await db.commandreply("INCR", key) for key in place.keys] == [1] * 40
        replies = [await db.command("INCR", place.keys[number % 40]) for number in range(1000)]
        assert [await reply() for reply in replies] == [number // 40 + 2 for number in range(1000)]


@capability("pipeline")
async def test_a_pipeline_with_an_error_in_it(place):
    async with place.multiplexer() as redis:
        db = redis.database()
        async with db.pipeline() as pipeline:
            before = [pipeline.command("APPEND", key, "a") for key in place.keys]
            wrong = pipeline.command("LPUSH", place.keys[20], "x")
            after = [pipeline.command("APPEND", key, "b") for key in place.keys]
        assert [await reply for reply in before] == [1] * 40
        with pytest.raises(RedisReplyError, match="WRONGTYPE"):
            await wrong
        assert [await reply for reply in after] == [2] * 40
        reading = db.pipeline()
        for key in place.keys:
            reading.command("GET", key)
        assert await reading.execute() == [b"ab"] * 40


@capability("transaction")
async def test_transactions(place):
    async with place.multiplexer() as redis:
        db = redis.database()
        for key in place.keys:
            number, words = f"{{{key}}}number", f"{{{key}}}words"
            async with db.multi() as multi:
                multi.command("SET", number, 1)
                value = multi.command("INCR", number)
                multi.command("RPUSH", words, "x")
            assert await value == 2
            refused = db.multi()
            refused.command("SET", number, 9)
            refused.command("LPUSH", words)
            with pytest.raises(RedisReplyError):
                await refused.execute()
            assert await db.commandreply("GET", number) == b"2"
            assert await db.commandreply("LLEN", words) == 1


@capability("watch")
async def test_watched_transactions(place):
    async with place.multiplexer() as redis:
        db = redis.database()

        async def add_one(key, between=None):
            async with db.watch(key) as watch:
                value = int(await watch.commandreply("GET", key) or 0)
                if between is not None:
                    await db.commandreply("SET", key, between)
                async with watch.multi() as multi:
                    done = multi.command("SET", key, value + 1)
            return await done

        for key in place.keys[:8]:
            assert await add_one(key) == b"OK"
            with pytest.raises(RedisTransactionError):
                await add_one(key, between=7)
            assert await add_one(key) == b"OK"
            assert await db.commandreply("GET", key) == b"8"


@capability("blocking")
async def test_blocking_commands_block_nobody(place):
    async with place.multiplexer() as redis:
        db = redis.database()
        lists = place.keys[:8]
        waiting = [await db.command("BLPOP", key, 0) for key in lists]
        await place.until_blocked(redis, 8)
        for key in place.keys[8:]:
            await db.commandreply("SET", key, key)
            assert await db.commandreply("GET", key) == key.encode()
        assert not any(reply.done() for reply in waiting)
        for key, reply in reversed(list(zip(lists, waiting))):
            assert await db.commandreply("RPUSH", key, f"for {key}") == 1
            assert await reply == [key.encode(), f"for {key}".encode()]


@capability("pub/sub")
async def test_channels_and_patterns(place):
    async with place.multiplexer() as redis, place.multiplexer() as other:
        one, two, pattern = f"{place.name}:one", f"{place.name}:two", f"{place.name}:t*"
        async with redis.pubsub(decoder=utf8_bytes_as_strings) as pubsub:
            await pubsub.add(one)
            assert await pubsub.message() == ["subscribe", one, 1]
            await pubsub.add(patterns=pattern)
            assert await pubsub.message() == ["psubscribe", pattern, 2]
            await other.database().commandreply("PUBLISH", one, "first")
            assert await pubsub.message() == ["message", one, "first"]
            await other.database().commandreply("PUBLISH", two, "second")
            assert await pubsub.message() == ["pmessage", pattern, two, "second"]
            await pubsub.ping("are you there")
            assert await pubsub.message() == ["pong", "are you there"]
            await pubsub.remove(one)
            assert await pubsub.message() == ["unsubscribe", one, 1]
            for channel in (one, two):
                await redis.database().commandreply("PUBLISH", channel, "last")
            assert await pubsub.message() == ["pmessage", pattern, two, "last"]


@capability("script")
async def test_scripts_by_their_digests(place):
    async with place.multiplexer() as redis:
        script = f"return redis.call('INCRBY', KEYS[1], ARGV[1]) -- {place.name}"

        async def by_digest():
            statistics = await redis.run_commandreply_on_all_masters("INFO", "commandstats")
            calls = re.findall(rb"cmdstat_evalsha:calls=(\d+)", b"".join(statistics.values()))
            return sum(map(int, calls))

        before = await by_digest()
        for total in (3, 6, 9):
            for key in place.keys:
                assert await redis.database().commandreply("EVAL", script, 1, key, 3) == total
            assert set((await redis.run_commandreply_on_all_masters("SCRIPT", "FLUSH")).values()) == {b"OK"}
        # All but the first on each connection.
        assert await by_digest() - before >= 110


@capability("cache")
async def test_cached_reads(place):
    async with place.multiplexer(cache_bytes="1MiB") as redis, place.multiplexer() as other:
        for key in place.keys[:8]:
            await other.database().commandreply("SET", key, "old")
            for _ in range(10):
                assert await redis.database().commandreply("GET", key, cached=True) == b"old"
            await other.database().commandreply("SET", key, "new")
            while await redis.database().commandreply("GET", key, cached=True) != b"new":
                await asyncio.sleep(0.001)
        assert redis.statistics()["cache_hits"] >= 60


async def cancel_the_task(place, redis, key):
    task = asyncio.create_task(redis.database().commandreply("BLPOP", key, 0))
    await place.until_blocked(redis, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Interrupted(Exception):
    pass


def interrupt(number, frame):
    raise Interrupted


async def interrupt_the_thread(place, redis, key):
    """As Ctrl-C does."""
    waits = threading.get_ident()

    def send():
        asyncio.run(place.until_blocked(redis, 1))
        signal.pthread_kill(waits, signal.SIGUSR1)

    handler = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            await redis.database().commandreply("BLPOP", key, 0)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, handler)


async def cancel_the_reply(place, redis, key):
    reply = await redis.database().command("BLPOP", key, 0)
    await place.until_blocked(redis, 1)
    assert reply.cancel()
    while not reply.done():
        await asyncio.sleep(0.001)
    with pytest.raises((RedisCancelledError, asyncio.CancelledError)):
        await reply()


@capability("cancel")
async def test_commands_that_are_given_up(place, face):
    async with place.multiplexer() as redis:
        db = redis.database()
        ways = [cancel_the_task if face is faces.ASYNCIO else interrupt_the_thread, cancel_the_reply]
        for key, give_up in zip(place.keys, ways * 4):
            await give_up(place, redis, key)
            await place.until_blocked(redis, 0)
            # Nobody takes what comes now, but who asks anew.
            assert await db.commandreply("RPUSH", key, "a") == 1
            assert await db.commandreply("LLEN", key) == 1
            assert await db.commandreply("BLPOP", key, 0) == [key.encode(), b"a"]


@capability("timeout")
async def test_deadlines(place):
    async with place.multiplexer() as redis:
        db = redis.database()
        patient = await db.command("BLPOP", place.keys[-1], 0)
        for key in place.keys[:8]:
            with pytest.raises(RedisTimeoutError) as caught:
                await db.commandreply("BLPOP", key, 0, timeout=0.02)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.outcome is Outcome.NOT_RUN
            assert await db.commandreply("RPUSH", key, "a") == 1
            assert await db.commandreply("BLPOP", key, 0, timeout=30) == [key.encode(), b"a"]
        await db.commandreply("RPUSH", place.keys[-1], "b")
        assert await patient == [place.keys[-1].encode(), b"b"]


@capability("threads")
async def test_threads_share_one_multiplexer(place):
    """With asyncio each has a loop of its own, and tasks in it."""
    async with place.multiplexer() as redis:
        db = redis.database()

        async def task(name, key):
            own = f"{{{key}}}{name}"
            await db.commandreply("INCR", key)
            await db.commandreply("SET", own, own)
            assert await db.commandreply("GET", own) == own.encode()

        async def work(name):
            await asyncio.gather(*(task(name, key) for key in place.keys))

        await asyncio.gather(*(asyncio.to_thread(asyncio.run, work(name)) for name in range(4)))
        assert await db.commandreply("MGET", *place.keys) == [b"4"] * 40
