"""What happens to the connections of a client, as asyncio's face iterates over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Optional

from . import _justredis
from .core import Core
from .loops import loop_queue


class _Inbox:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[Optional[dict[str, Any]]] = asyncio.Queue()

    def deliver(self, value: Any, flags: int, dropped: int) -> None:
        self.queue.put_nowait(value if flags & _justredis.COMPLETION_MORE else None)


async def events(core: Core) -> AsyncGenerator[dict[str, Any], None]:
    """Each event from now on as a dictionary, until the client is closed or nobody iterates any more."""
    inbox = _Inbox()
    port = _justredis.port(core.client(), loop_queue(core, asyncio.get_running_loop()), None, None)
    request = port.events(inbox)
    try:
        while True:
            event = await inbox.queue.get()
            if event is None:
                return
            yield event
    finally:
        port.cancel(request)
