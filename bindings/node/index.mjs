import justredis from './index.js'

export const {
  AbortError,
  AuthError,
  ClosedError,
  ConfigError,
  ConnectionError,
  JustRedisError,
  Lease,
  Pipeline,
  Redis,
  RefusedError,
  ReplyError,
  Subscription,
  TimeoutError,
  TransactionError,
  version,
} = justredis
