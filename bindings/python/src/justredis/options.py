"""What a program may say of a command, and the types of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional, TypedDict, Union

from .codec import Word

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]
Names = Union[None, Word, Iterable[Word]]
# The words of each command, with its encoder and decoder.
Commands = list[tuple[tuple[Word, ...], Optional[Encoder], Optional[Decoder]]]


class CommandOptions(TypedDict, total=False):
    """What may stand behind the words of a command of a transaction or a pipeline."""

    encoder: Optional[Encoder]
    """Makes bytes of each word; without it the one of the database."""
    decoder: Optional[Decoder]
    """Makes of the answer what is wanted; without it the one of the database."""
    throw: bool
    """False: an error is the value, and not raised."""


class RequestOptions(TypedDict, total=False):
    """What may be said of a request."""

    timeout: Optional[float]
    """Seconds; None is the option `command_timeout`, math.inf none."""
    route: Optional[str]
    """Which nodes: "primaries", "replicas", "all", "random", "host:port", "slot:N", "key:K"."""
    replica: bool
    """A replica may answer."""
    cached: bool
    """It may be answered from the cache (option `cache_bytes`)."""
    idempotent: bool
    """It may run twice: sent again when its connection is lost."""
    dedicated: bool
    """On a connection of its own."""


class Options(CommandOptions, RequestOptions, total=False):
    """What may stand behind the words of a command."""
