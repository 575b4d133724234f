"""Both faces under one: the blocking one as if it were that of asyncio, so that a test of one is a test of both."""

import justredis
from justredis import blocking

# What asyncio's face wants to be awaited.
AWAITED = {
    *("command", "commandreply", "execute", "discard", "add", "remove", "message", "ping", "endpoints"),
    *("run_commandreply_on_all_masters", "aclose"),
}


def wrap(value):
    return Awaited(value) if type(value).__module__ == blocking.__name__ else value


class Awaited:
    """An object of the blocking face; what it does is done at once, and can be awaited."""

    def __init__(self, target):
        self._target = target

    def __getattr__(self, name):
        attribute = getattr(self._target, "close" if name == "aclose" else name)
        if not callable(attribute):
            return attribute
        if name in AWAITED and not (name == "command" and isinstance(self._target, blocking._Gathering)):

            async def call(*words, **options):
                return wrap(attribute(*words, **options))

            return call
        return lambda *words, **options: wrap(attribute(*words, **options))

    async def __call__(self):
        return wrap(self._target())

    def __await__(self):
        return self().__await__()

    async def __aenter__(self):
        self._target.__enter__()
        return self

    async def __aexit__(self, *error):
        return self._target.__exit__(*error)

    async def __aiter__(self):
        for message in self._target:
            yield message


class Face:
    def __init__(self, name, multiplexer):
        self.name = name
        self.multiplexer = multiplexer

    def __repr__(self):
        return self.name


ASYNCIO = Face("asyncio", justredis.MultiplexerPool)
BLOCKING = Face("blocking", lambda *given: Awaited(blocking.MultiplexerPool(*given)))
