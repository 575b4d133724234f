"""The capabilities of subscriptions, on both faces."""

import threading
import time

import pytest

from justredis import RedisClosedError, RedisGapError, blocking, utf8_bytes_as_strings

capability = pytest.mark.capability


@capability("pub/sub")
async def test_channels_and_patterns(redis):
    async with redis:
        db = redis.database()
        async with redis.pubsub(decoder=utf8_bytes_as_strings) as pubsub:
            await pubsub.add("a")
            assert await pubsub.message() == ["subscribe", "a", 1]
            await pubsub.add(["b", "b"], "p*")
            assert await pubsub.message() == ["subscribe", "b", 2]
            assert await pubsub.message() == ["psubscribe", "p*", 3]
            for channel in ("a", "b", "pq", "none"):
                await db.commandreply("PUBLISH", channel, "text")
            assert await pubsub.message() == ["message", "a", "text"]
            assert await pubsub.message() == ["message", "b", "text"]
            assert await pubsub.message() == ["pmessage", "p*", "pq", "text"]
            await pubsub.ping("are you there")
            assert await pubsub.message() == ["pong", "are you there"]
            await pubsub.remove("a")
            assert await pubsub.message() == ["unsubscribe", "a", 2]
            await db.commandreply("PUBLISH", "a", "nobody")
            assert await pubsub.message(timeout=0.01) is None
            await pubsub.remove()
            assert {(await pubsub.message())[0] for _ in range(2)} == {"unsubscribe", "punsubscribe"}
            await pubsub.add("again")
            assert (await pubsub.message())[:2] == ["subscribe", "again"]
        with pytest.raises(RedisClosedError):
            await pubsub.message()


@capability("pub/sub")
async def test_iterating_gives_the_messages(redis):
    async with redis, redis.pubsub(decoder=lambda message: message) as pubsub:
        await pubsub.add("a", "p*")
        for channel, text in (("a", "1"), ("pq", "2"), ("a", "end")):
            await redis.database().commandreply("PUBLISH", channel, text)
        seen = []
        async for message in pubsub:
            seen.append((message.kind, message.channel, message.pattern, message.data, message.gap, message.dropped))
            if message.data == b"end":
                break
        assert seen == [
            (b"message", b"a", None, b"1", False, 0),
            (b"pmessage", b"pq", b"p*", b"2", False, 0),
            (b"message", b"a", None, b"end", False, 0),
        ]


@capability("gaps")
async def test_a_killed_subscriber_is_told(redis):
    """Each loss is told before the next message: what comes between two tellings has no holes."""
    async with redis:
        db = redis.database()
        async with redis.pubsub() as pubsub:
            await pubsub.add("channel")
            assert (await pubsub.message())[0] == b"subscribe"
            last, gaps, sent = -1, 0, 0
            while gaps < 5:
                for _ in range(20):
                    await db.commandreply("PUBLISH", "channel", sent)
                    sent += 1
                await db.commandreply("CLIENT", "KILL", "TYPE", "pubsub")
                told = False
                while not told:
                    try:
                        message = await pubsub.message(timeout=20)
                    except RedisGapError:
                        told = True
                        gaps += 1
                        continue
                    assert message[0] == b"message", message
                    assert int(message[2]) == last + 1, "a hole that was not told"
                    last = int(message[2])
                assert (await pubsub.message())[0] == b"subscribe"
                last = sent - 1
            assert pubsub.gaps == 5


def publish_and_kill(endpoint, kills):
    """Publishes numbers, and kills the subscribers every 250 ms; at the end it publishes until one hears."""
    with blocking.Multiplexer([endpoint]) as redis:
        db = redis.database()
        number = 0
        for _ in range(kills):
            end = time.monotonic() + 0.25
            while time.monotonic() < end:
                db.commandreply("PUBLISH", "channel", number)
                number += 1
            while db.commandreply("CLIENT", "KILL", "TYPE", "pubsub") == 0:
                pass
        while db.commandreply("PUBLISH", "channel", "end") == 0:
            pass


@capability("gaps")
async def test_a_subscriber_that_is_killed_again_and_again_loses_nothing_untold(redis, server):
    """Each hole in the numbers stands behind a gap."""
    told, last = 0, -1
    async with redis, redis.pubsub(decoder=utf8_bytes_as_strings) as pubsub:
        await pubsub.add("channel")
        killer = threading.Thread(target=publish_and_kill, args=(server.endpoint, 8))
        killer.start()
        gap = False
        while True:
            try:
                message = await pubsub.message(timeout=30)
            except RedisGapError:
                told += 1
                gap = True
                continue
            assert message is not None
            if message[0] != "message":
                continue
            if message[2] == "end":
                break
            number = int(message[2])
            assert number == last + 1 or (gap and number > last), (last, number)
            last, gap = number, False
        killer.join(30)
    assert last > 100
    assert 0 < told == pubsub.gaps <= 8
