'use strict'
// What goes wrong: ReplyError is the server's answer, the others are of this library. Each has `code`, `status` (the
// number of the reason, one of the JR_ERR_* of justredis.h) and `outcome` (whether the server may have run it).

const OUTCOMES = { 1: 'not-run', 2: 'unknown', 4: 'answered' }

class JustRedisError extends Error {
  constructor(message, { code = 'ERROR', status = -10, outcome = 'not-run', cause } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
    this.outcome = outcome
  }

  get name() {
    return this.constructor.name
  }
}

class ReplyError extends JustRedisError {}

class TimeoutError extends JustRedisError {}

class ConnectionError extends JustRedisError {}

class AuthError extends ConnectionError {}

class ClosedError extends JustRedisError {}

class ConfigError extends JustRedisError {}

class RefusedError extends JustRedisError {}

class AbortError extends JustRedisError {}

class TransactionError extends JustRedisError {}

const KINDS = new Map([
  [-1, [RefusedError, 'ARGUMENT']],
  [-2, [ConfigError, 'CONFIG']],
  [-3, [RefusedError, 'REFUSED']],
  [-4, [ClosedError, 'CLOSED']],
  [-5, [JustRedisError, 'FULL']],
  [-6, [JustRedisError, 'FORKED']],
  [-7, [JustRedisError, 'DEADLOCK']],
  [-8, [JustRedisError, 'NOT_FOUND']],
  [-9, [JustRedisError, 'MEMORY']],
  [-10, [JustRedisError, 'INTERNAL']],
  [-12, [TimeoutError, 'TIMEOUT']],
  [-13, [AbortError, 'ABORT_ERR']],
  [-14, [ConnectionError, 'CONNECT']],
  [-15, [AuthError, 'AUTH']],
  [-16, [ConnectionError, 'TLS']],
  [-17, [ConnectionError, 'LOST']],
  [-18, [ConnectionError, 'LEASE_LOST']],
  [-19, [ConnectionError, 'PROTOCOL']],
])
const SERVER = -11
const CANCELED = -13

/** The error for a status of the library. */
function makeError(status, outcome, message, cause) {
  const more = { status, outcome: OUTCOMES[outcome] ?? 'not-run', cause }
  if (status === SERVER) {
    const space = message.indexOf(' ')
    return new ReplyError(message, { ...more, code: space < 0 ? message : message.slice(0, space) })
  }
  const [Kind, code] = KINDS.get(status) ?? [JustRedisError, 'ERROR']
  return new Kind(message, { ...more, code })
}

module.exports = {
  AbortError,
  AuthError,
  CANCELED,
  ClosedError,
  ConfigError,
  ConnectionError,
  JustRedisError,
  RefusedError,
  ReplyError,
  TimeoutError,
  TransactionError,
  makeError,
}
