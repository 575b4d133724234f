"""Where commands go: what the databases and watches of both faces have alike."""

from __future__ import annotations

from typing import Optional

from . import _justredis
from .codec import Word, utf8_encode
from .core import Core
from .errors import RedisClosedError
from .gathered import Gathered
from .options import Decoder, Encoder


class Sender:
    """A database number, with an encoder and a decoder."""

    def __init__(self, core: Core, number: int, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        self._core = core
        self._number = number
        self._encoder = None if encoder is utf8_encode else encoder
        self._decoder = decoder

    def _client(self) -> _justredis.Client:
        return self._core.client(self._number)

    def _port_to(self, queue: _justredis.Queue) -> _justredis.Port:
        return _justredis.port(self._client(), queue, self._encoder, self._decoder)

    def _gather(self, atomic: bool) -> Gathered:
        return Gathered(atomic, self._encoder, self._decoder)

    def _forget(self) -> None:
        """Later commands go by another client."""
        raise NotImplementedError


class Leased(Sender):
    """A connection for itself, on which keys are watched; it is there between _begin and _end."""

    def __init__(
        self,
        core: Core,
        number: int,
        encoder: Optional[Encoder],
        decoder: Optional[Decoder],
        keys: tuple[Word, ...],
    ) -> None:
        super().__init__(core, number, encoder, decoder)
        self._keys = keys
        self._lease: Optional[_justredis.Client] = None

    def _client(self) -> _justredis.Client:
        if self._lease is None:
            raise RedisClosedError("a watch is used within `with` or `async with`")
        return self._lease

    def _begin(self) -> None:
        self._lease = self._core.client(self._number).lease(self._keys[0] if self._keys else None)

    def _end(self) -> None:
        self._lease = None
        self._forget()
