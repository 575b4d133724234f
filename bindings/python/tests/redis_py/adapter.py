"""A plugin of pytest: redis-py's own client and tests, whose connections are a multiplexer of justredis.

Everything above the connection is redis-py's: how commands are spelled, and what it makes of the answers. Instead of a
socket a connection has the multiplexer of its server, user and decoding, which all connections share; only one that
watches keys has a connection of the server for itself. PubSub and Monitor keep redis-py's own connections.

JR_OUTCOMES names a file, to which the outcome of each test is written as a line of JSON.
"""

import contextlib
import json
import os
import re
import tracemalloc

import pytest
import redis.client
import redis.connection

from justredis import (
    RedisAuthError,
    RedisConnectionError,
    RedisError,
    RedisReplyError,
    RedisTimeoutError,
    RedisTransactionError,
    blocking,
)

Socket = redis.connection.Connection
multiplexers = {}


def multiplexer(options):
    """The one of this server and user; it is made when it is first asked for, and never closed."""
    key = tuple(options.get(name) for name in ("host", "port", "username", "password", "socket_timeout", "protocol"))
    if key not in multiplexers:
        host, port, user, password, timeout, protocol = key
        given = {"endpoints": [(host or "localhost", port or 6379)], "sockettimeout": timeout or 60}
        if user or password:
            # A user without a password is let in with any.
            given |= {"username": user or "default", "password": password or "none"}
        given |= {"protocol": protocol} if protocol else {}
        multiplexers[key] = blocking.Multiplexer(given)
    return multiplexers[key]


def split_name(words):
    """redis-py writes "CONFIG GET" in one word."""
    first, *others = words
    return [*(first.split() if isinstance(first, (str, bytes)) else [first]), *others]


def translate(value, text):
    """Bytes as redis-py would decode them, sets as lists, and errors within as exceptions of redis-py."""
    if isinstance(value, RedisReplyError):
        return Connection.error(value)
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, (list, set, frozenset)):
        return [translate(item, text) for item in value]
    if isinstance(value, dict):
        return {translate(key, text): translate(item, text) for key, item in value.items()}
    return value


class Connection(Socket):
    """One of redis-py's connections that has no socket."""

    def __init__(self, **options):
        super().__init__(**options)
        self._options = options
        self._watch = None
        self._waiting = []

    @property
    def is_connected(self):
        return True

    def connect(self):
        self._waiting.clear()

    def disconnect(self, *args, **options):
        self._unwatch()
        self._waiting.clear()

    def should_reconnect(self):
        return False

    def can_read(self, timeout=0):
        return bool(self._waiting)

    @staticmethod
    def error(error):
        return redis.connection.DefaultParser.parse_error(str(error))

    def _unwatch(self):
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _sender(self):
        if self._watch is not None:
            return self._watch
        return multiplexer(self._options).database(int(self.db))

    def send_command(self, *words, **options):
        self.send_packed_command([words])

    def pack_commands(self, commands):
        return list(commands)

    def send_packed_command(self, commands, check_health=True):
        """What was packed is what was given: commands, one or several."""
        encoded = [[self.encoder.encode(word) for word in split_name(words)] for words in commands]
        names = [words[0].upper() for words in encoded]
        if names[0] == b"MULTI" and names[-1] == b"EXEC":
            self._send_transaction(encoded[1:-1])
        elif len(encoded) > 1:
            self._send_pipeline(encoded)
        elif names == [b"WATCH"]:
            self._send_watch(encoded[0][1:])
        elif names == [b"UNWATCH"]:
            self._unwatch()
            self._waiting.append(lambda: b"OK")
        else:
            self._waiting.append(self._sender().command(*encoded[0]))

    def _send_watch(self, keys):
        if self._watch is None:
            self._watch = multiplexer(self._options).database(int(self.db)).watch(*keys)
            self._watch.__enter__()
            self._waiting.append(lambda: b"OK")
        else:
            self._waiting.append(self._watch.command("WATCH", *keys))

    def _send_pipeline(self, commands):
        pipeline = self._sender().pipeline()
        parts = [pipeline.command(*words) for words in commands]
        pipeline.execute()
        self._waiting += parts

    def _send_transaction(self, commands):
        """Its answers as a connection would read them: of MULTI, of each command that is queued, and of EXEC."""
        multi = self._sender().multi()
        for words in commands:
            multi.command(*words)
        error, values = None, []
        try:
            values = multi.execute()
        except RedisTransactionError:
            values = None
        except RedisReplyError as refused:
            error = refused
        finally:
            self._unwatch()
        queued = [lambda: b"QUEUED"] * len(commands)
        refused = re.search(r": command (\d+) \([^)]*\): (.*)", str(error))
        if refused:
            queued[int(refused[1])] = lambda: fail(RedisReplyError(refused[2]))
        self._waiting += [lambda: b"OK", *queued, (lambda: fail(error)) if error is not None else lambda: values]

    def read_response(self, disable_decoding=False, **options):
        try:
            value = self._waiting.pop(0)()
        except RedisReplyError as error:
            raise self.error(error) from None
        except RedisTimeoutError as error:
            raise redis.TimeoutError(str(error)) from error
        except RedisAuthError as error:
            raise redis.AuthenticationError(str(error)) from error
        except RedisConnectionError as error:
            raise redis.ConnectionError(str(error)) from error
        except RedisError as error:
            raise redis.RedisError(str(error)) from error
        decode = self.encoder.decode_responses and not disable_decoding
        return translate(value, self.encoder.decode if decode else bytes)


def fail(error):
    raise error


def with_sockets(pool):
    """A pool of redis-py's own connections, with the options of the other."""
    options = {**pool.connection_kwargs, "connection_class": Socket}
    return redis.ConnectionPool(**options)


def replace():
    redis.connection.Connection = redis.Connection = Connection
    own = redis.client.Redis
    pubsub, monitor = redis.client.PubSub, redis.client.Monitor
    own.pubsub = lambda self, **options: pubsub(with_sockets(self.connection_pool), **options)
    own.monitor = lambda self: monitor(with_sockets(self.connection_pool))


# redis-py's tests trace all memory, and read nothing of that: they take several times as long with it.
tracemalloc.start = tracemalloc.stop = lambda *arguments: None
if os.environ.get("JR_ADAPTER", "1") != "0":
    replace()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if (report.when != "call" and report.passed) or not os.environ.get("JR_OUTCOMES"):
        return
    error = call.excinfo.exconly().partition("\n")[0] if call.excinfo else ""
    with contextlib.suppress(OSError), open(os.environ["JR_OUTCOMES"], "a") as file:
        file.write(json.dumps({"test": item.nodeid, "outcome": report.outcome, "error": error}) + "\n")
