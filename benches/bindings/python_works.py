"""One work of one client in Python; prints a line of JSON: operations, seconds, and CPU seconds of this process."""

import asyncio
import functools
import json
import resource
import sys
import threading
import time

VALUE = b"x" * 32
PORT = int(sys.argv[1])
CLIENT, WORK, AT_ONCE, COUNT = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(started, cpu_before, count=COUNT):
    print(json.dumps({"count": count, "seconds": time.perf_counter() - started, "cpu": cpu() - cpu_before}))


# --- threads ---


def blocking_calls():
    """Gives get(), lrange() and pipeline(n) of the client."""
    if CLIENT == "justredis":
        from justredis.blocking import Multiplexer

        db = Multiplexer([("127.0.0.1", PORT)]).database()

        def pipeline(count):
            gathered = db.pipeline()
            for _ in range(count):
                gathered.command("GET", "key")
            return gathered.execute()

        return (
            functools.partial(db.commandreply, "GET", "key"),
            functools.partial(db.commandreply, "LRANGE", "list", 0, -1),
            pipeline,
        )
    import redis

    client = redis.Redis(port=PORT)

    def pipeline(count):
        gathered = client.pipeline(transaction=False)
        for _ in range(count):
            gathered.get("key")
        return gathered.execute()

    return functools.partial(client.get, "key"), functools.partial(client.lrange, "list", 0, -1), pipeline


def run_blocking():
    get, lrange, pipeline = blocking_calls()
    call = {"get": get, "lrange": lrange, "pipeline": functools.partial(pipeline, AT_ONCE)}[WORK]
    threads = AT_ONCE if WORK != "pipeline" else 1
    each = COUNT // AT_ONCE

    def work():
        for _ in range(each):
            call()

    assert call()
    started, before = time.perf_counter(), cpu()
    if threads == 1:
        work()
    else:
        crew = [threading.Thread(target=work) for _ in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
    report(started, before)


# --- asyncio ---


async def run_asyncio():
    if CLIENT == "justredis":
        from justredis import Multiplexer

        client = Multiplexer([("127.0.0.1", PORT)])
        db = client.database()
        get = functools.partial(db.commandreply, "GET", "key")
        gather = db.pipeline
    else:
        import redis.asyncio

        client = redis.asyncio.Redis(port=PORT, max_connections=1000)
        get = functools.partial(client.get, "key")
        gather = functools.partial(client.pipeline, transaction=False)

    async def pipeline():
        gathered = gather()
        for _ in range(AT_ONCE):
            if CLIENT == "justredis":
                gathered.command("GET", "key")
            else:
                gathered.get("key")
        await gathered.execute()

    call, tasks = (pipeline, 1) if WORK == "pipeline" else (get, AT_ONCE)

    async def work():
        for _ in range(COUNT // AT_ONCE):
            await call()

    await asyncio.gather(*(call() for _ in range(tasks)))
    started, before = time.perf_counter(), cpu()
    await asyncio.gather(*(work() for _ in range(tasks)))
    report(started, before)
    await client.aclose()


if sys.argv[6] == "blocking":
    run_blocking()
elif sys.argv[6] == "uvloop":
    import uvloop

    uvloop.run(run_asyncio())
else:
    asyncio.run(run_asyncio())
