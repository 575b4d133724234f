"""The configuration of the library that this one is named after, a test for each name; see test_ancestor.py."""

import asyncio
import socket

import pytest

import servers
from justredis import MultiplexerPool, RedisConfigError, RedisError


@pytest.fixture
def settings(server):
    """A dictionary with the endpoint, to which an option is added."""
    servers.ask(server.port, "FLUSHALL")
    return {"endpoints": [server.endpoint]}


async def works(configuration):
    async with MultiplexerPool(configuration) as redis:
        assert await redis.database().commandreply("PING") == b"PONG"
        return redis.statistics()


async def test_configuration_endpoints(server):
    """endpoints - ... a string for unix domain or (host, port) tuple for tcp"""
    await works([server.endpoint])
    await works({"endpoints": [server.endpoint]})
    await works([str(server.folder / "socket")])
    await works([("127.0.0.1", 1), server.endpoint])


async def test_configuration_password(own_server):
    """password - The server password"""
    servers.ask(own_server.port, "CONFIG", "SET", "requirepass", "secret")
    await works({"endpoints": [own_server.endpoint], "password": "secret"})
    with pytest.raises(RedisError):
        await works({"endpoints": [own_server.endpoint], "password": None})


async def test_configuration_connecttimeout(settings):
    """connecttimeout - Set connect timeout in seconds"""
    await works({**settings, "connecttimeout": 2.5})
    with socket.socket() as full:
        # Nobody accepts here, and the queue of those who wait is full.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first = socket.create_connection(full.getsockname())
        with first, pytest.raises(RedisError, match="no answer to the attempt to connect"):
            await works({"endpoints": [full.getsockname()], "connecttimeout": 0.2, "sockettimeout": 20})


async def test_configuration_connectretry(settings):
    """connectretry - Number of connection attempts before giving up"""
    await works({**settings, "connectretry": 2})
    with pytest.raises(RedisConfigError):
        MultiplexerPool({"connectretry": "often"})


async def test_configuration_sockettimeout(settings):
    """sockettimeout - Set socket timeout in seconds"""
    async with MultiplexerPool({**settings, "sockettimeout": 0.05}) as redis:
        with pytest.raises(TimeoutError):
            await redis.database().commandreply("DEBUG", "SLEEP", "0.5")


async def test_configuration_recvbuffersize(settings):
    """recvbuffersize - Socket receive buffer size in bytes (Default 64K)"""
    await works({**settings, "recvbuffersize": 4096})


async def test_configuration_tcpkeepalive(settings):
    """tcpkeepalive - Enable / Disable (Default) TCP Keep alive in seconds"""
    for value in (30, 0, None, False):
        await works({**settings, "tcpkeepalive": value})


async def test_configuration_tcpnodelay(settings):
    """tcpnodelay - Enable (Default) / Disable TCP no delay"""
    for value in (True, False):
        await works({**settings, "tcpnodelay": value})


async def test_configuration_connectionhandler(settings, server):
    """connectionhandler - Use a custom Connection class handler"""
    addresses = []

    def handler(address, timeout):
        addresses.append(address)
        return socket.create_connection(server.endpoint, timeout)

    await works({**settings, "connectionhandler": handler})
    assert addresses == [f"127.0.0.1:{server.port}"]


async def test_configuration_maxconnections(settings):
    """maxconnections - maximum number of in use connections before blocking new requests."""
    async with MultiplexerPool({**settings, "maxconnections": 2}) as redis:
        db = redis.database()
        waiting = [await db.command("BLPOP", f"queue:{number}", 0) for number in range(3)]
        while redis.statistics()["dedicated"]["waiting"] != 1:
            await asyncio.sleep(0.001)
        for number in range(3):
            await db.commandreply("RPUSH", f"queue:{number}", "x")
        for reply in waiting:
            assert (await reply)[1] == b"x"
