"""The capabilities of tests/bindings/capabilities.toml, on both faces: what is the same for both."""

import asyncio
import contextlib
import gc
import math
import os

import pytest

import servers
from justredis import (
    Outcome,
    RedisClosedError,
    RedisConnectionError,
    RedisError,
    RedisReplyError,
    RedisTimeoutError,
    RedisTransactionError,
    utf8_bytes_as_strings,
)

capability = pytest.mark.capability


@capability("command")
async def test_words_of_any_bytes(redis):
    async with redis:
        db = redis.database()
        for value in (b"", b"\r\n\0$5\r\n", bytes(range(256)) * 5000):
            assert await db.commandreply("SET", "key", value) == b"OK"
            assert await db.commandreply("GET", "key") == value
        for word, stored in ((7, b"7"), (1.5, b"1.5"), ("\u00e4", b"\xc3\xa4"), (bytearray(b"x"), b"x")):
            await db.commandreply("SET", "key", word)
            assert await db.commandreply("GET", "key") == stored
        await db.commandreply("SET", "key", memoryview(b"abc")[1:])
        assert await db.commandreply("GET", "key") == b"bc"
        assert await db.commandreply("EXISTS", *range(100)) == 0


@capability("command")
async def test_answers_in_types_of_the_language(redis):
    async with redis:
        db = redis.database()
        c = db.commandreply
        assert await c("INCR", "n") == 1
        assert await c("GET", "none") is None
        assert await c("RPUSH", "list", "a", "b") == 2
        assert await c("LRANGE", "list", 0, -1) == [b"a", b"b"]
        await c("HSET", "hash", "field", "value")
        assert await c("HGETALL", "hash") == {b"field": b"value"}
        await c("SADD", "set", "a", "b")
        assert await c("SMEMBERS", "set") == {b"a", b"b"}
        await c("ZADD", "zset", "1.5", "a")
        assert await c("ZSCORE", "zset", "a") == 1.5
        assert await c("DEBUG", "PROTOCOL", "bignum") == 1234567999999999999999999999999999999
        assert await c("DEBUG", "PROTOCOL", "true") is True
        assert await c("DEBUG", "PROTOCOL", "verbatim") == b"This is a verbatim\nstring"
        assert await c("EVAL", "return {1, {'a', false}, {}}", 0) == [1, [b"a", None], []]
        assert await c("HGETALL", "hash", decoder=utf8_bytes_as_strings) == {"field": "value"}
        assert await c("LRANGE", "list", 0, -1, decoder=len) == 2


@capability("errors")
async def test_errors_of_two_kinds(redis, face):
    async with redis:
        db = redis.database()
        await db.commandreply("SET", "text", "a")
        with pytest.raises(RedisReplyError) as caught:
            await db.commandreply("INCR", "text")
        assert str(caught.value) == "ERR value is not an integer or out of range"
        assert (caught.value.code, caught.value.outcome) == ("ERR", Outcome.ANSWERED)
        assert not isinstance(caught.value, RedisError)
        answer = await db.commandreply("INCR", "text", throw=False)
        assert isinstance(answer, RedisReplyError)
        with pytest.raises(RedisError, match="database") as caught:
            await db.commandreply("SELECT", 1)
        assert caught.value.outcome is Outcome.NOT_RUN
        # What the library refuses is an error as any other.
        refused = await db.command("SELECT", 1, throw=False)
        assert isinstance(await refused, RedisError)
        for wrong in (True, None, object(), []):
            with pytest.raises(TypeError):
                await db.commandreply("GET", wrong)
        with pytest.raises(TypeError, match="no option 'timeuot'"):
            await db.commandreply("GET", "a", timeuot=1)
        with pytest.raises(UnicodeDecodeError):
            await db.commandreply("EVAL", "return '\\255'", 0, decoder=utf8_bytes_as_strings)
        assert await db.commandreply("GET", "text") == b"a"
    async with face.multiplexer([("127.0.0.1", 1)]) as nobody:
        with pytest.raises(RedisConnectionError, match="127.0.0.1:1") as caught:
            await nobody.database().commandreply("PING")
        assert caught.value.outcome is Outcome.NOT_RUN


@capability("many in flight")
async def test_a_thousand_in_flight(redis):
    async with redis:
        db = redis.database()
        replies = [await db.command("INCR", "n") for _ in range(1000)]
        assert [await reply() for reply in replies] == list(range(1, 1001))
        assert [await reply for reply in replies] == list(range(1, 1001))


@capability("pipeline")
async def test_a_pipeline(redis):
    async with redis:
        db = redis.database(decoder=utf8_bytes_as_strings)
        async with db.pipeline() as pipeline:
            first = pipeline.command("SET", "a", "1")
            wrong = pipeline.command("LPUSH", "a", "x")
            quiet = pipeline.command("LPUSH", "a", "x", throw=False)
            last = pipeline.command("GET", "a", decoder=int)
        assert (await first, await last()) == ("OK", 1)
        with pytest.raises(RedisReplyError, match="WRONGTYPE"):
            await wrong
        assert isinstance(await quiet, RedisReplyError)
        pipeline = db.pipeline()
        for number in range(1000):
            pipeline.command("APPEND", "b", str(number % 10))
        assert await pipeline.execute(timeout=10) == list(range(1, 1001))
        assert await db.pipeline().execute() == []
        for words, expected in ((("GET", "none"), None), (("ECHO", "a"), "a"), (("LRANGE", "none", 0, 1), [])):
            alone = db.pipeline()
            reply = alone.command(*words)
            assert (await alone.execute(), await reply) == ([expected], expected)
        for atomic in (db.multi(), db.pipeline()):
            atomic.command("ECHO", "a", decoder=lambda text: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await atomic.execute()


@capability("transaction")
async def test_a_transaction(redis):
    async with redis:
        db = redis.database(decoder=utf8_bytes_as_strings)
        async with db.multi() as multi:
            multi.command("SET", "a", "1")
            value = multi.command("INCR", "a")
            with pytest.raises(RedisError, match="has not been sent"):
                await value
        assert await value == 2
        refused = db.multi()
        refused.command("SET", "a", "9")
        reply = refused.command("GET")
        with pytest.raises(RedisReplyError, match="EXECABORT|wrong number"):
            await refused.execute()
        with pytest.raises(RedisReplyError):
            await reply
        with pytest.raises(KeyError):
            async with db.multi() as multi:
                forgotten = multi.command("SET", "a", "9")
                raise KeyError
        with pytest.raises(RedisError, match="discarded"):
            await forgotten
        assert await db.commandreply("GET", "a") == "2"


@capability("watch")
async def test_a_watched_transaction(redis):
    async with redis:
        db = redis.database()
        async with db.watch("n") as watch:
            assert await watch.commandreply("GET", "n") is None
            async with watch.multi() as multi:
                done = multi.command("SET", "n", 1)
        assert await done == b"OK"
        with pytest.raises(RedisTransactionError):
            async with db.watch("n") as watch:
                await db.commandreply("SET", "n", 5)
                async with watch.multi() as multi:
                    lost = multi.command("SET", "n", 2)
        with pytest.raises(RedisTransactionError):
            await lost
        assert await db.commandreply("GET", "n") == b"5"
        with pytest.raises(RedisClosedError):
            await watch.commandreply("GET", "n")


@capability("blocking")
async def test_blocking_commands_block_nobody(redis):
    async with redis:
        db = redis.database()
        waiting = [await db.command("BLPOP", f"queue:{number}", 0) for number in range(3)]
        for number in reversed(range(3)):
            assert await db.commandreply("RPUSH", f"queue:{number}", number) == 1
            assert await waiting[number] == [f"queue:{number}".encode(), str(number).encode()]


@capability("script")
async def test_a_script_by_its_digest(redis):
    async with redis:
        db = redis.database()
        for _ in range(3):
            assert await db.commandreply("EVAL", "return ARGV[1]", 0, "a") == b"a"
        await db.commandreply("SCRIPT", "FLUSH")
        assert await db.commandreply("EVAL", "return ARGV[1]", 0, "b") == b"b"
        statistics = await db.commandreply("INFO", "commandstats")
        assert b"cmdstat_evalsha:" in statistics


@capability("databases")
async def test_databases(redis):
    async with redis:
        await redis.database().commandreply("SET", "key", "zero")
        await redis.database(3).commandreply("SET", "key", "three")
        assert await redis.database(0).commandreply("GET", "key") == b"zero"
        assert await redis.database(3).commandreply("GET", "key") == b"three"
        with pytest.raises((RedisError, OverflowError)):
            redis.database(-1) and await redis.database(-1).commandreply("PING")


@capability("cache")
async def test_cached_reads(face, server):
    servers.ask(server.port, "FLUSHALL")
    async with face.multiplexer({"endpoints": [server.endpoint], "cache_bytes": "1MiB"}) as redis:
        db = redis.database()
        await db.commandreply("SET", "key", "old")
        for _ in range(10):
            assert await db.commandreply("GET", "key", cached=True) == b"old"
        assert redis.statistics()["cache_hits"] >= 9
        servers.ask(server.port, "SET", "key", "new")
        while await db.commandreply("GET", "key", cached=True) != b"new":
            await asyncio.sleep(0.001)


@capability("timeout")
async def test_a_deadline(redis):
    async with redis:
        db = redis.database()
        with pytest.raises(RedisTimeoutError) as caught:
            await db.commandreply("BLPOP", "nothing", 0, timeout=0.02)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.outcome is Outcome.NOT_RUN
        assert await db.commandreply("PING", timeout=math.inf) == b"PONG"
        for wrong in (0, -1, math.nan):
            with pytest.raises(ValueError, match="timeout"):
                await db.commandreply("PING", timeout=wrong)


@capability("reconnect")
async def test_reconnecting(face, own_server):
    async with face.multiplexer([own_server.endpoint]) as redis:
        db = redis.database()
        await db.commandreply("SET", "key", "value")
        servers.ask(own_server.port, "CLIENT", "KILL", "TYPE", "normal")
        assert await db.commandreply("GET", "key") == b"value"
        own_server.stop()
        reply = await db.command("PING", timeout=30)
        own_server.start()
        assert await reply == b"PONG"


@capability("statistics")
async def test_statistics(redis, server):
    async with redis:
        await redis.database().commandreply("PING")
        statistics = redis.statistics()
        assert statistics["nodes"][0]["address"] == f"127.0.0.1:{server.port}"
        assert statistics["links"][0]["purpose"] == "commands"
        assert statistics["requests"] == 0


@capability("close")
async def test_closing(face, server):
    servers.ask(server.port, "FLUSHALL")
    gc.collect()
    before = descriptors_and_threads()
    redis = face.multiplexer([server.endpoint])
    db = redis.database()
    await db.commandreply("SET", "key", "value")
    blocked = await db.command("BLPOP", "queue", 0)
    replies = [await db.command("GET", "key") for _ in range(100)]
    await redis.aclose()
    assert [await reply for reply in replies] == [b"value"] * 100
    assert isinstance(await outcome(blocked), RedisError)
    assert isinstance(await outcome(db.commandreply("GET", "key")), RedisClosedError)
    await redis.aclose()
    del blocked, replies, db, redis
    # A thread that has been joined is a moment later gone for the kernel, too.
    with contextlib.suppress(AssertionError):
        servers.until(lambda: descriptors_and_threads() == before, 5)
    assert descriptors_and_threads() == before


async def outcome(awaitable):
    """What comes of it; an exception without the frames that it came through."""
    try:
        return await awaitable
    except RedisError as error:
        return error.with_traceback(None)


def descriptors_and_threads():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
