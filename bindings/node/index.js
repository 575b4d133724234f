'use strict'
// A client of Redis and Valkey.

const errors = require('./lib/errors.js')
const native = require('./lib/native.js')
const { Lease, Pipeline, Redis } = require('./lib/redis.js')
const { Subscription } = require('./lib/subscription.js')

module.exports = {
  AbortError: errors.AbortError,
  AuthError: errors.AuthError,
  ClosedError: errors.ClosedError,
  ConfigError: errors.ConfigError,
  ConnectionError: errors.ConnectionError,
  JustRedisError: errors.JustRedisError,
  Lease,
  Pipeline,
  Redis,
  RefusedError: errors.RefusedError,
  ReplyError: errors.ReplyError,
  Subscription,
  TimeoutError: errors.TimeoutError,
  TransactionError: errors.TransactionError,
  version: native.version,
}
