"""Commands that are gathered for a transaction or a pipeline, and what becomes of each."""

from __future__ import annotations

from typing import Any, Optional, TypeVar

from .codec import Word
from .errors import Outcome, RedisCancelledError, RedisError, RedisReplyError, RedisTransactionError
from .options import CommandOptions, Commands, Decoder, Encoder


def is_error(value: object) -> bool:
    return isinstance(value, (RedisReplyError, RedisError))


class Part:
    """The answer to one command of a transaction or a pipeline, once that has ended."""

    __slots__ = ("_done", "_throw", "_value")

    def __init__(self, throw: bool) -> None:
        self._done = False
        self._throw = throw
        self._value: Any = None

    def settle(self, value: Any) -> None:
        self._done = True
        self._value = value

    def take(self) -> Any:
        if not self._done:
            raise RedisError("this command has not been sent: its transaction or pipeline goes on")
        try:
            if self._throw and isinstance(self._value, Exception):
                raise self._value
            return self._value
        finally:
            # An exception holds this frame, which shall not hold the exception.
            del self


PartT = TypeVar("PartT", bound=Part)


class Gathered:
    """Commands that wait to be sent together."""

    def __init__(self, atomic: bool, encoder: Optional[Encoder], decoder: Optional[Decoder]) -> None:
        self.atomic = atomic
        self.ended = False
        self._encoder = encoder
        self._decoder = decoder
        self._commands: Commands = []
        self._parts: list[Part] = []

    def add(self, words: tuple[Word, ...], options: CommandOptions, kind: type[PartT]) -> PartT:
        """Adds a command; gives the part, of that kind, that will have its answer."""
        if self.ended:
            raise RedisError("this transaction or pipeline has ended")
        unknown = set(options) - {"encoder", "decoder", "throw"}
        if unknown:
            raise TypeError(f"there is no option {unknown.pop()!r} of a command in a transaction or pipeline")
        encoder = options.get("encoder") or self._encoder
        decoder = options.get("decoder") or self._decoder
        part = kind(options.get("throw", True))
        self._commands.append((words, encoder, decoder))
        self._parts.append(part)
        return part

    def end(self) -> Commands:
        """What is to be sent now."""
        if self.ended:
            raise RedisError("this transaction or pipeline has ended")
        self.ended = True
        return self._commands

    def discard(self) -> None:
        self.ended = True
        self.fail(RedisError("the transaction or pipeline was discarded"))

    def fail(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            error = RedisCancelledError(f"the transaction or pipeline was given up: {type(error).__name__}")
            error.outcome = Outcome.UNKNOWN
        for part in self._parts:
            part.settle(error)

    def settle(self, answer: Any) -> list[Any]:
        """Gives each command its answer; raises what failed as a whole."""
        if len(self._commands) == 1 and not self.atomic:
            answer = [answer]
        if answer is None:
            answer = RedisTransactionError("a watched key has changed: nothing was run")
        if isinstance(answer, Exception):
            self.fail(answer)
            raise answer
        for part, value in zip(self._parts, answer):
            part.settle(value)
        return list(answer)
