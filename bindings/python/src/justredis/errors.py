"""What goes wrong: RedisReplyError is the server's answer, RedisError and what derives from it everything else."""

from __future__ import annotations

import enum

from . import _justredis


class Outcome(enum.Enum):
    """Whether the server may have run a command that failed."""

    NOT_RUN = _justredis.OUTCOME_NOT_RUN
    """It has certainly not run it: it may be sent again."""
    UNKNOWN = _justredis.OUTCOME_UNKNOWN
    """It was sent, and no answer came."""
    ANSWERED = _justredis.OUTCOME_ANSWERED
    """The server answered."""


class RedisReplyError(Exception):
    """An error that the server answered with; its text is the server's, verbatim."""

    status = _justredis.ERR_SERVER
    outcome = Outcome.ANSWERED

    @property
    def code(self) -> str:
        """The first word of the error, such as WRONGTYPE."""
        return str(self).partition(" ")[0]


class RedisError(Exception):
    """An error of this library; usually the command has not reached the server. `outcome` says whether it may have."""

    status: int = _justredis.ERR_INTERNAL
    """The number of the reason, one of the JR_ERR_* of justredis.h."""
    outcome: Outcome = Outcome.NOT_RUN
    """Whether the server may have run it."""


class RedisTimeoutError(RedisError, TimeoutError):
    """The deadline passed."""


class RedisConnectionError(RedisError, ConnectionError):
    """No connection could be made, or it went away."""


class RedisAuthError(RedisConnectionError):
    """The server refused the user name or the password."""


class RedisClosedError(RedisError):
    """The multiplexer is closed."""


class RedisForkedError(RedisError):
    """It was made before a fork() and this is the child."""


class RedisConfigError(RedisError, ValueError):
    """An option is unknown or its value is wrong."""


class RedisCancelledError(RedisError):
    """It was cancelled."""


class RedisTransactionError(RedisError):
    """A watched key has changed: nothing of the transaction was run."""

    outcome = Outcome.NOT_RUN


class RedisGapError(RedisConnectionError):
    """The connection of a subscription was lost and made again: messages may be missing before the next one."""

    status = _justredis.ERR_LOST
    outcome = Outcome.UNKNOWN


_CLASSES: dict[int, type[RedisError]] = {
    _justredis.ERR_TIMEOUT: RedisTimeoutError,
    _justredis.ERR_CONNECT: RedisConnectionError,
    _justredis.ERR_TLS: RedisConnectionError,
    _justredis.ERR_LOST: RedisConnectionError,
    _justredis.ERR_LEASE_LOST: RedisConnectionError,
    _justredis.ERR_AUTH: RedisAuthError,
    _justredis.ERR_CLOSED: RedisClosedError,
    _justredis.ERR_FORKED: RedisForkedError,
    _justredis.ERR_CONFIG: RedisConfigError,
    _justredis.ERR_CANCELED: RedisCancelledError,
}


def make_error(status: int, outcome: int, text: str) -> RedisReplyError | RedisError:
    """The exception for a status of the library."""
    if status == _justredis.ERR_SERVER:
        reply_error = RedisReplyError(text)
        if outcome in (_justredis.OUTCOME_NOT_RUN, _justredis.OUTCOME_UNKNOWN):
            reply_error.outcome = Outcome(outcome)
        return reply_error
    error = _CLASSES.get(status, RedisError)(text)
    error.status = status
    if outcome:
        error.outcome = Outcome(outcome)
    return error
