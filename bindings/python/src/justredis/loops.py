"""What asyncio's face has of each event loop: the queue that the loop watches, and what waits in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any, Callable, Optional

from . import _justredis
from .core import CLOSE_MS, Core


def loop_queue(core: Core, loop: asyncio.AbstractEventLoop) -> _justredis.Queue:
    """The queue of a loop, which watches it from now on."""
    queue = core.queues.get(loop)
    if queue is None:
        queue = core.queues[loop] = _justredis.queue()
        loop.add_reader(queue.fileno(), queue.ready)
    return queue


def _leave(loop: asyncio.AbstractEventLoop, queue: _justredis.Queue) -> None:
    """Settles what the queue still has, and watches it no more."""
    queue.close()
    loop.remove_reader(queue.fileno())


async def close(core: Core) -> None:
    """Closes the client, and the queue of each loop, in that loop."""
    client = core.close()
    if client is not None:
        await _in_a_thread(lambda: client.close(CLOSE_MS))
    here = asyncio.get_running_loop()
    for loop, queue in list(core.queues.items()):
        if loop is here:
            _leave(loop, queue)
        elif not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_leave, loop, queue)
    core.queues.clear()


async def _in_a_thread(function: Callable[[], Any]) -> Any:
    """Runs what waits in a thread of its own, which has ended when this has."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(error: Optional[BaseException], value: Any) -> None:
        if not done.done():
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

    def run() -> None:
        outcome: tuple[Optional[BaseException], Any]
        try:
            outcome = None, function()
        except BaseException as error:
            outcome = error, None
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, *outcome)

    thread = threading.Thread(target=run, name="justredis-close", daemon=True)
    thread.start()
    try:
        return await done
    finally:
        thread.join(0 if done.cancelled() else None)
