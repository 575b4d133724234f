"""A client of Redis and Valkey in which every command is pipelined, for asyncio and, in `justredis.blocking`, for
threads.

    async with MultiplexerPool() as redis:
        db = redis.database(decoder=utf8_bytes_as_strings)
        await db.command("SET", "key", "value")
        print(await db.commandreply("GET", "key"))
"""

from ._justredis import version as library_version
from .aio import Database, Multi, Multiplexer, MultiplexerPool, Pipeline, PubSub, Reply, Watch
from .codec import Word, utf8_bytes_as_strings, utf8_encode
from .errors import (
    Outcome,
    RedisAuthError,
    RedisCancelledError,
    RedisClosedError,
    RedisConfigError,
    RedisConnectionError,
    RedisError,
    RedisForkedError,
    RedisGapError,
    RedisReplyError,
    RedisTimeoutError,
    RedisTransactionError,
)
from .options import CommandOptions, Options, RequestOptions
from .subscription import Message

__all__ = [
    "CommandOptions",
    "Database",
    "Message",
    "Multi",
    "Multiplexer",
    "MultiplexerPool",
    "Options",
    "Outcome",
    "Pipeline",
    "PubSub",
    "RedisAuthError",
    "RedisCancelledError",
    "RedisClosedError",
    "RedisConfigError",
    "RedisConnectionError",
    "RedisError",
    "RedisForkedError",
    "RedisGapError",
    "RedisReplyError",
    "RedisTimeoutError",
    "RedisTransactionError",
    "Reply",
    "RequestOptions",
    "Watch",
    "Word",
    "library_version",
    "utf8_bytes_as_strings",
    "utf8_encode",
]
