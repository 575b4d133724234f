"""Everything on one multiplexer: commands, a transaction, a blocking command, a subscription, a watched counter."""

import asyncio
import os

from justredis import Multiplexer, RedisTransactionError, utf8_bytes_as_strings


async def main() -> None:
    async with Multiplexer(os.environ.get("JR_URL")) as redis:
        db = redis.database(decoder=utf8_bytes_as_strings)

        # A SET whose answer nobody wants, and a GET behind it on the same connection.
        await db.command("SET", "jr:example:Hello", "World!")
        print("Hello,", await db.commandreply("GET", "jr:example:Hello"))

        # Both together, or neither.
        async with db.multi() as multi:
            multi.command("SET", "jr:example:Hello", "World!")
            hello = multi.command("GET", "jr:example:Hello")
        print("Atomic Hello,", await hello)

        # Waits at the server, on a connection of its own, while the shared one goes on.
        waiting = await db.command("BLPOP", "jr:example:queue", 0)
        await db.commandreply("RPUSH", "jr:example:queue", "Hello, World!")
        print("Queued", (await waiting)[1])

        # A subscription: `message` gives the confirmations, too; iterating gives the messages.
        async with redis.pubsub(decoder=utf8_bytes_as_strings) as pubsub:
            await pubsub.add("jr:example:Hello")
            await db.commandreply("PUBLISH", "jr:example:Hello", "World!")
            async for message in pubsub:
                print("PubSub Hello,", message.data)
                break

        # Reads a counter and writes it back, unless somebody else changed it meanwhile.
        try:
            async with db.watch("jr:example:Counter") as watch:
                value = int(await watch.commandreply("GET", "jr:example:Counter") or 0)
                async with watch.multi() as multi:
                    multi.command("SET", "jr:example:Counter", value + 1)
        except RedisTransactionError:
            print("somebody else was faster")


asyncio.run(main())
