"""The capabilities that have to do with where servers are and how they are reached, on both faces."""

import asyncio
import socket

import pytest

import servers
from justredis import RedisAuthError, RedisConfigError, RedisConnectionError

capability = pytest.mark.capability


@capability("cluster")
async def test_a_cluster(face, cluster):
    async with face.multiplexer(cluster.url) as redis:
        db = redis.database()
        await redis.run_commandreply_on_all_masters("FLUSHALL")
        for number in range(100):
            await db.commandreply("SET", f"key:{number}", number)
        sizes = await redis.run_commandreply_on_all_masters("DBSIZE")
        assert sorted(sizes) == sorted(one.endpoint for one in cluster.servers)
        assert sum(sizes.values()) == 100
        assert min(sizes.values()) > 0
        assert sorted(await redis.endpoints()) == sorted(sizes)
        keys = [f"key:{number}" for number in range(100)]
        assert await db.commandreply("MGET", *keys) == [str(number).encode() for number in range(100)]
        where = redis.locate("key:1")
        assert where["primary"] in {f"127.0.0.1:{one.port}" for one in cluster.servers}
        async with redis.pubsub() as pubsub:
            await pubsub.add(shards=["one", "two"])
            await db.commandreply("SPUBLISH", "two", "text")
            async for message in pubsub:
                assert message[:3] == (b"smessage", b"two", b"text")
                break


@capability("sentinel")
async def test_sentinels(face, watched):
    async with face.multiplexer(watched.url) as redis:
        assert (await redis.database().commandreply("ROLE"))[0] == b"master"
        assert watched.primary.endpoint in await redis.endpoints()
        assert len(redis.statistics()["sentinels"]) == 3


@capability("replica reads")
async def test_a_replica_answers(face, watched):
    async with face.multiplexer({"url": watched.url, "read_from": "replica"}) as redis:
        db = redis.database()
        await db.commandreply("SET", "key", "value")
        before = servers.ask(watched.replica.port, "INFO", "commandstats")
        while await db.commandreply("GET", "key") != b"value":
            pass
        after = servers.ask(watched.replica.port, "INFO", "commandstats")
        assert "cmdstat_get:" in after
        assert before != after
        assert await db.commandreply("GET", "key", replica=True) == b"value"


@capability("TLS")
async def test_tls(face, tls, certificates):
    url = f"rediss://localhost:{tls.tls_port}"
    async with face.multiplexer({"url": url, "tls_ca": certificates / "ca.pem"}) as redis:
        assert await redis.database().commandreply("PING") == b"PONG"
    async with face.multiplexer({"url": url, "tls_ca": certificates / "other-ca.pem"}) as redis:
        with pytest.raises(RedisConnectionError, match="none of the authorities in tls_ca"):
            await redis.database().commandreply("PING")


@capability("unix socket")
async def test_a_unix_socket(face, server):
    async with face.multiplexer([str(server.folder / "socket")]) as redis:
        assert await redis.database().commandreply("PING") == b"PONG"
        assert await redis.endpoints() == [str(server.folder / "socket")]


@capability("credentials")
async def test_credentials(face, own_server):
    servers.ask(own_server.port, "CONFIG", "SET", "requirepass", "first")
    async with face.multiplexer({"endpoints": [own_server.endpoint], "password": "first"}) as redis:
        db = redis.database()
        assert await db.commandreply("PING") == b"PONG"
        await db.commandreply("ACL", "SETUSER", "other", "on", ">second", "~*", "+@all")
        redis.set_credentials("other", "second")
        while await db.commandreply("ACL", "WHOAMI") != b"other":
            await asyncio.sleep(0.001)
    async with face.multiplexer({"endpoints": [own_server.endpoint], "password": "wrong"}) as redis:
        with pytest.raises(RedisAuthError):
            await redis.database().commandreply("PING")


@capability("dialer")
async def test_the_program_dials(face, server):
    dialled = []

    def dial(address, timeout):
        dialled.append((address, timeout > 0))
        return socket.create_connection(server.endpoint, timeout)

    async with face.multiplexer({"endpoints": [("nowhere.invalid", 1)], "connectionhandler": dial}) as redis:
        assert await redis.database().commandreply("PING") == b"PONG"
    assert dialled[0] == ("nowhere.invalid:1", True)

    def refuse(address, timeout):
        raise ConnectionRefusedError(111, "no")

    async with face.multiplexer({"connectionhandler": refuse}) as redis:
        with pytest.raises(RedisConnectionError, match="refused"):
            await redis.database().commandreply("PING")


async def test_configurations_that_are_wrong(face):
    for wrong in ({"conect_timeout": "1s"}, {"connecttimeout": "soon"}, "http://a", {"maxconnections": -1}):
        with pytest.raises(RedisConfigError):
            face.multiplexer(wrong)
    with pytest.raises(TypeError):
        face.multiplexer({"connectionhandler": 5})
