"""What is asyncio's own: cancellation, other loops, several loops, and what is left when a loop ends."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

import faces
import servers
from justredis import MultiplexerPool, RedisCancelledError, RedisClosedError, RedisReplyError

shows = pytest.mark.capability


@pytest.fixture
def redis(server):
    servers.ask(server.port, "FLUSHALL")
    return MultiplexerPool([server.endpoint])


async def no_requests(redis):
    while redis.statistics()["requests"]:
        await asyncio.sleep(0.001)


@shows("cancel", faces=[faces.ASYNCIO])
async def test_a_cancelled_task_cancels_its_request(redis, server):
    async with redis:
        db = redis.database()
        await db.commandreply("PING")
        task = asyncio.create_task(db.commandreply("BLPOP", "queue", 0))
        while "blocked_clients:1" not in servers.ask(server.port, "INFO", "clients"):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await no_requests(redis)
        assert "blocked_clients:0" in servers.ask(server.port, "INFO", "clients")
        # Nobody takes what comes now.
        assert await db.commandreply("RPUSH", "queue", "a") == 1
        assert await db.commandreply("LLEN", "queue") == 1


async def test_cancelling_who_awaits_a_reply_cancels_the_command(redis):
    async with redis:
        reply = await redis.database().command("BLPOP", "queue", 0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reply(), 0.01)
        await no_requests(redis)
        reply = await redis.database().command("BLPOP", "queue", 0)
        assert not reply.done()
        assert reply.cancel()
        await no_requests(redis)


async def test_a_cancelled_transaction_and_pipeline(redis):
    async with redis:
        pipeline = redis.database().pipeline()
        part = pipeline.command("DEBUG", "SLEEP", "0.05")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(pipeline.execute(), 0.01)
        with pytest.raises(RedisCancelledError):
            await part
        await no_requests(redis)


async def test_an_answer_that_nobody_asks_for_is_no_complaint(redis):
    """Also one that is an error: asyncio would tell of an exception that was never retrieved."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    async with redis:
        for _ in range(10):
            await redis.database().command("GET")
        await redis.database().commandreply("PING")
    gc.collect()
    await asyncio.sleep(0)
    assert not complaints


@shows("threads", faces=[faces.ASYNCIO])
def test_many_tasks_and_several_loops_share_one_multiplexer(redis):
    db = redis.database()

    async def work():
        await asyncio.gather(*(db.commandreply("INCR", "n") for _ in range(200)))

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def end():
        assert await db.commandreply("GET", "n") == b"800"
        await redis.aclose()

    asyncio.run(end())


@shows("fork", faces=[faces.ASYNCIO])
def test_a_child_process_has_a_loop_of_its_own(redis):
    db = redis.database()

    async def count():
        return await db.commandreply("INCR", "n")

    async def main():
        assert await count() == 1
        child = os.fork()
        if child == 0:
            code = 1
            try:
                threading.Thread(target=in_the_child, args=(db,)).start()
                code = 0
            finally:
                for thread in threading.enumerate():
                    if thread is not threading.current_thread():
                        thread.join()
                os._exit(code)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            await asyncio.sleep(0.001)
        assert await count() == 3
        await redis.aclose()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.run(main())


def in_the_child(db):
    async def count():
        assert await db.commandreply("INCR", "n") == 2

    asyncio.run(count())


@shows("signals", faces=[faces.ASYNCIO])
def test_ctrl_c_ends_a_program(server):
    program = (
        "import asyncio, justredis\n"
        "async def main():\n"
        f"    async with justredis.Multiplexer({server.url!r}) as redis:\n"
        "        reply = await redis.database().command('BLPOP', 'never', 0)\n"
        "        print('ready', flush=True)\n"
        "        await reply\n"
        "try:\n"
        "    asyncio.run(main())\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "interrupted\n"
    assert process.returncode == 0


async def test_events(redis):
    async with redis:
        events = redis.events()
        first = asyncio.ensure_future(events.__anext__())
        await asyncio.sleep(0)
        await redis.database().commandreply("PING")
        assert (await first)["event"] == "connected"
        await redis.database().commandreply("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no", throw=False, timeout=5)
        async for event in events:
            if event["event"] == "lost":
                break
        await events.aclose()


def test_uvloop(server):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async with MultiplexerPool([server.endpoint]) as redis:
            db = redis.database()
            assert await asyncio.gather(*(db.commandreply("ECHO", number) for number in range(500))) == [
                str(number).encode() for number in range(500)
            ]
            assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")

    loop = uvloop.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


def descriptors_and_threads():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def test_run_leaves_nothing(server):
    """No thread, no descriptor, no warning."""

    async def main():
        async with MultiplexerPool([server.endpoint]) as redis:
            db = redis.database()
            assert await db.commandreply("PING") == b"PONG"
            async with redis.pubsub() as pubsub:
                await pubsub.add("a")
            await db.command("BLPOP", "nothing", 0)
            with pytest.raises(RedisReplyError):
                await db.commandreply("GET")

    asyncio.run(main())
    gc.collect()
    # A thread that was joined is a moment later gone for the kernel, too.
    time.sleep(0.05)
    before = descriptors_and_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            asyncio.run(main())
    gc.collect()
    servers.until(lambda: descriptors_and_threads() == before)


def test_one_that_is_not_closed_leaves_nothing_either(server):
    async def main():
        redis = MultiplexerPool([server.endpoint])
        assert await redis.database().commandreply("PING") == b"PONG"
        await redis.database().command("BLPOP", "nothing", 0)

    asyncio.run(main())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        asyncio.run(main())
    gc.collect()
    servers.until(lambda: len(os.listdir("/proc/self/fd")) == before)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_memory_stays_flat(redis):
    """JR_OPERATIONS says how many operations; ten million are the full measure."""
    operations = int(os.environ.get("JR_OPERATIONS", "100000"))

    async def work(db, count):
        for number in range(count):
            await db.commandreply("SET", f"key:{number % 100}", "x" * 50)
            await db.commandreply("GET", f"key:{number % 100}")
            await (await db.command("EVAL", "return {1, 'a', {false}}", 0))
            await db.commandreply("GET", throw=False)
            with pytest.raises(RedisReplyError):
                await db.commandreply("LPUSH", f"key:{number % 100}", "x")

    async with redis:
        db = redis.database()
        await asyncio.gather(*(work(db, 100) for _ in range(16)))
        gc.collect()
        before = resident()
        await asyncio.gather(*(work(db, operations // 80) for _ in range(16)))
        gc.collect()
        assert resident() - before < 2 << 20


async def test_polling_for_messages_leaves_nothing(redis):
    async with redis, redis.pubsub() as pubsub:
        await pubsub.add("a")
        await pubsub.message()
        for _ in range(20):
            assert await pubsub.message(timeout=0.001) is None
        assert pubsub._waiters == []


async def test_a_closed_subscription_lets_go_who_waits(redis):
    async with redis:
        pubsub = redis.pubsub()
        await pubsub.add("a")
        await pubsub.message()
        waiting = asyncio.ensure_future(pubsub.message())
        await asyncio.sleep(0)
        await pubsub.aclose()
        assert await asyncio.wait_for(waiting, 10) is None


async def test_a_gap_that_an_iteration_has_read_of_is_told_by_the_next(redis):
    async with redis, redis.pubsub() as pubsub:
        db = redis.database()
        await pubsub.add("channel")
        given_up = asyncio.ensure_future(pubsub.__aiter__().__anext__())
        await db.commandreply("CLIENT", "KILL", "TYPE", "pubsub")
        while pubsub.gaps == 0 or pubsub._inbox.items:
            await asyncio.sleep(0.001)
        given_up.cancel()
        for _ in range(2):
            while await db.commandreply("PUBLISH", "channel", "text") == 0:
                pass
        gaps = []
        async for message in pubsub:
            gaps.append(message.gap)
            if len(gaps) == 2:
                break
        assert gaps == [True, False]


async def test_closing_settles_all_that_waits(redis):
    """More than a loop takes in one turn."""
    async with redis:
        db = redis.database()
        replies = [await db.command("BLPOP", "queue", 0, throw=False) for _ in range(5000)]
    outcomes = await asyncio.wait_for(asyncio.gather(*(reply() for reply in replies)), 30)
    assert {type(outcome) for outcome in outcomes} <= {RedisCancelledError, RedisClosedError}


def test_another_loop_hears_of_the_close(redis):
    """What waits in a loop is settled there when another loop closes the multiplexer."""
    db = redis.database()
    started = threading.Event()
    outcomes = []

    async def wait():
        replies = [await db.command("BLPOP", "queue", 0, throw=False) for _ in range(3000)]
        started.set()
        outcomes.extend(await asyncio.gather(*(reply() for reply in replies)))

    thread = threading.Thread(target=asyncio.run, args=(wait(),))
    thread.start()
    started.wait(30)
    asyncio.run(redis.aclose())
    thread.join(30)
    assert len(outcomes) == 3000
