"""The API of the library that this one is named after: its example, unchanged, and a test for each line of its list."""

import inspect
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import servers
import test_ancestor_configuration
from justredis import (
    Multiplexer,
    MultiplexerPool,
    RedisError,
    RedisReplyError,
    utf8_bytes_as_strings,
    utf8_encode,
)

PAGE = (pathlib.Path(__file__).parent / "ancestor.txt").read_text()
EXAMPLE, API = PAGE.split("--- example ---\n")[1].split("--- API ---\n")
FOUR_LINES = "Hello, World!\nAtomic Hello, World!\nQueued Hello, World!\nPubSub Hello, World!\n"

# In a network namespace of its own there is a port 6379 that nobody else has.
ALONE = """
import fcntl, pathlib, socket, struct, subprocess, sys
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
server = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.argv[1], "--port", "6379", "--save", ""],
                          stdout=subprocess.PIPE, cwd=sys.argv[3])
for line in server.stdout:
    if b"Ready to accept" in line:
        break
subprocess.run([sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-W", "error::RuntimeWarning",
                "-W", "ignore::DeprecationWarning", sys.argv[2]], check=True)
server.kill()
"""


def test_the_example_runs_unchanged(tmp_path):
    program = tmp_path / "example.py"
    program.write_text(EXAMPLE)
    (tmp_path / "alone.py").write_text(ALONE)
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, tmp_path / "alone.py"]
    if not shutil.which("unshare") or subprocess.run([*command[:4], "true"], check=False).returncode:
        pytest.skip("unshare makes no network namespace here")
    done = subprocess.run(
        [*command, servers.BINARY, program, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (FOUR_LINES, "")


@pytest.fixture
def redis(server):
    servers.ask(server.port, "FLUSHALL")
    return MultiplexerPool([server.endpoint])


@pytest.mark.parametrize("kind", [MultiplexerPool, Multiplexer])
async def test_multiplexer(kind, server):
    """MultiplexerPool(configuration=None) or Multiplexer(configuration=None)"""
    assert inspect.signature(kind).parameters["configuration"].default is None
    async with kind([server.endpoint]) as redis:
        assert await redis.database().commandreply("PING") == b"PONG"


async def test_multiplexer_aenter(redis):
    """async __aenter__()"""
    assert await redis.__aenter__() is redis
    await redis.aclose()


async def test_multiplexer_aexit(redis):
    """async __aexit__()"""
    async with redis:
        db = redis.database()
        await db.commandreply("PING")
    with pytest.raises(RedisError):
        await db.commandreply("PING")


async def test_multiplexer_aclose(redis):
    """async aclose()"""
    db = redis.database()
    await db.commandreply("PING")
    await redis.aclose()
    with pytest.raises(RedisError):
        await db.commandreply("PING")


async def test_database(redis):
    """database(number=0, encoder=utf8_encode, decoder=None)"""
    async with redis:
        await redis.database().commandreply("SET", "key", "zero")
        assert await redis.database(1).commandreply("GET", "key") is None
        assert await redis.database(number=0, encoder=utf8_encode).commandreply("GET", "key") == b"zero"
        assert await redis.database(0, decoder=utf8_bytes_as_strings).commandreply("GET", "key") == "zero"
        assert await redis.database(0, encoder=str.upper, decoder=len).commandreply("echo", "abc") == 3
        defaults = inspect.signature(redis.database).parameters
        assert [parameter.default for parameter in defaults.values()] == [0, utf8_encode, None]


async def test_database_command(redis):
    """async command(*args, encoder=utf8_encode, decoder=None, throw=True)"""
    async with redis:
        db = redis.database()
        await db.command(b"SET", "key", "1")
        got = await db.command("get", "key", encoder=lambda word: word.encode(), decoder=int)
        assert await got == 1
        assert isinstance(await (await db.command("GET", throw=False)), RedisReplyError)
        with pytest.raises(RedisReplyError):
            await (await db.command("GET"))


async def test_database_command_call(redis):
    """async __call__() # You can also await directly on the command as well"""
    async with redis:
        reply = await redis.database().command("PING")
        assert await reply() == b"PONG"
        assert await reply == b"PONG"


async def test_database_commandreply(redis):
    """async commandreply(*args, encoder=utf8_encode, decoder=None, throw=True)"""
    async with redis:
        cr = redis.database().commandreply
        assert inspect.iscoroutinefunction(cr)
        assert await cr("ECHO", 1, encoder=lambda word: f"<{word}>" if word == 1 else word) == b"<1>"
        assert await cr("ECHO", "5", decoder=int) == 5
        assert isinstance(await cr("GET", throw=False), RedisReplyError)
        with pytest.raises(RedisReplyError):
            await cr("GET")


async def test_database_multi(redis):
    """multi()"""
    async with redis:
        assert await redis.database().multi().execute() == []


async def test_multi_aenter(redis):
    """async __aenter__()"""
    async with redis:
        multi = redis.database().multi()
        assert await multi.__aenter__() is multi


async def test_multi_aexit(redis):
    """async __aexit__()"""
    async with redis:
        async with redis.database().multi() as multi:
            done = multi.command("SET", "key", "1")
        assert await done == b"OK"


async def test_multi_command(redis):
    """command(*args, encoder=utf8_encode, decoder=None, throw=True)"""
    async with redis:
        async with redis.database().multi() as multi:
            assert not inspect.isawaitable(multi.command) and not inspect.iscoroutinefunction(multi.command)
            multi.command("SET", "key", "1", encoder=utf8_encode)
            number = multi.command("GET", "key", decoder=int)
            wrong = multi.command("LPUSH", "key", "1", throw=False)
        assert await number == 1
        assert isinstance(await wrong, RedisReplyError)


async def test_multi_command_call(redis):
    """async __call__() # You can also await directly on the command as well"""
    async with redis:
        async with redis.database().multi() as multi:
            done = multi.command("SET", "key", "1")
        assert await done() == b"OK"
        assert await done == b"OK"


async def test_multi_execute(redis):
    """async execute()"""
    async with redis:
        db = redis.database()
        async with db.multi() as multi:
            done = multi.command("INCR", "key")
            await multi.execute()
            assert await done == 1
        assert await db.commandreply("GET", "key") == b"1"
        with pytest.raises(RedisError):
            await multi.execute()


async def test_multi_discard(redis):
    """async discard()"""
    async with redis:
        db = redis.database()
        async with db.multi() as multi:
            multi.command("INCR", "key")
            await multi.discard()
        with pytest.raises(ZeroDivisionError):
            async with db.multi() as multi:
                multi.command("INCR", "key")
                raise ZeroDivisionError
        assert await db.commandreply("GET", "key") is None


async def test_database_watch(redis):
    """watch(*keys)"""
    async with redis:
        db = redis.database()
        async with db.watch("a", "b") as watch:
            await db.commandreply("SET", "b", 1)
            with pytest.raises(RedisError):
                async with watch.multi() as multi:
                    multi.command("SET", "a", 1)
        assert await db.commandreply("GET", "a") is None


async def test_watch_aenter(redis):
    """async __aenter__()"""
    async with redis:
        watch = redis.database().watch("key")
        assert await watch.__aenter__() is watch
        await watch.aclose()


async def test_watch_aexit(redis):
    """async __aexit__()"""
    async with redis:
        async with redis.database().watch("key") as watch:
            pass
        with pytest.raises(RedisError):
            await watch.commandreply("GET", "key")


async def test_watch_aclose(redis):
    """async aclose()"""
    async with redis:
        async with redis.database().watch("key") as watch:
            await watch.aclose()
            with pytest.raises(RedisError):
                await watch.commandreply("GET", "key")


async def test_watch_command(redis):
    """async command() # Like above"""
    async with redis, redis.database().watch("key") as watch:
        assert await (await watch.command("GET", "key")) is None


async def test_watch_commandreply(redis):
    """async commandreply() # like above"""
    async with redis, redis.database(decoder=utf8_bytes_as_strings).watch("key") as watch:
        assert await watch.commandreply("SET", "key", 1) == "OK"


async def test_watch_multi(redis):
    """multi() # Like above"""
    async with redis, redis.database().watch("key") as watch:
        async with watch.multi() as multi:
            value = multi.command("INCR", "key")
        assert await value == 1


async def test_pubsub(redis):
    """pubsub(encoder=utf8_encode, decoder=None)"""
    async with redis:
        async with redis.pubsub() as pubsub:
            await pubsub.add("a")
            assert await pubsub.message() == [b"subscribe", b"a", 1]
        async with redis.pubsub(encoder=utf8_encode, decoder=utf8_bytes_as_strings) as pubsub:
            await pubsub.add("a")
            assert await pubsub.message() == ["subscribe", "a", 1]
        async with redis.pubsub(decoder=len) as pubsub:
            await pubsub.add("a")
            assert await pubsub.message() == 3


async def test_pubsub_add(redis):
    """async add(channels=None, patterns=None)"""
    async with redis, redis.pubsub() as pubsub:
        await pubsub.add(channels=["a", "b"], patterns="c*")
        assert [await pubsub.message() for _ in range(3)] == [
            [b"subscribe", b"a", 1],
            [b"subscribe", b"b", 2],
            [b"psubscribe", b"c*", 3],
        ]


async def test_pubsub_remove(redis):
    """async remove(channels=None, patterns=None)"""
    async with redis, redis.pubsub() as pubsub:
        await pubsub.add(["a", "b"], ["c*"])
        await pubsub.remove(channels="a", patterns="c*")
        assert [await pubsub.message() for _ in range(5)][3:] == [
            [b"unsubscribe", b"a", 2],
            [b"punsubscribe", b"c*", 1],
        ]


async def test_pubsub_message(redis):
    """async message(timeout=None)"""
    async with redis, redis.pubsub() as pubsub:
        await pubsub.add("a")
        await pubsub.message()
        assert await pubsub.message(timeout=0.01) is None
        assert await pubsub.message(0) is None
        await redis.database().commandreply("PUBLISH", "a", "text")
        assert await pubsub.message(timeout=30) == [b"message", b"a", b"text"]


async def test_pubsub_ping(redis):
    """async ping(message=None)"""
    async with redis, redis.pubsub() as pubsub:
        await pubsub.add("a")
        await pubsub.message()
        await pubsub.ping()
        await pubsub.ping("text")
        assert [await pubsub.message() for _ in range(2)] == [[b"pong", b""], [b"pong", b"text"]]


async def test_endpoints(redis, server):
    """async endpoints()"""
    async with redis:
        assert await redis.endpoints() == [server.endpoint]


async def test_run_commandreply_on_all_masters(redis, server):
    """async run_commandreply_on_all_masters(*args, encoder=utf8_encode, decoder=None)"""
    async with redis:
        run = redis.run_commandreply_on_all_masters
        assert await run("ECHO", "text") == {server.endpoint: b"text"}
        answer = await run("ECHO", "7", encoder=utf8_encode, decoder=int)
        assert answer == {server.endpoint: 7}


def test_redisreplyerror():
    """RedisReplyError(Exception)"""
    assert RedisReplyError.__bases__ == (Exception,)


def test_rediserror():
    """RedisError(Exception)"""
    assert RedisError.__bases__ == (Exception,)


def test_every_line_of_the_list_has_a_test():
    """A line of the list stands in the first line of a test's text; (... and) shorten it."""
    everything = {**globals(), **vars(test_ancestor_configuration)}
    functions = [value for name, value in everything.items() if name.startswith("test_") and callable(value)]
    texts = [re.sub(r"\s*#.*", "", inspect.getdoc(function) or "").strip() for function in functions]
    for line in API.splitlines():
        words = re.sub(r"\s*#.*", "", line).strip(" \u2022")
        if "(" not in words and " - " not in line:
            continue
        if words.startswith("endpoints - "):
            words = "endpoints - ... a string for unix domain or (host, port) tuple for tcp"
        if line.startswith("# An error"):
            continue
        assert words in texts, line
