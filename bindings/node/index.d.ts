import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { CommandMethods } from './lib/commands'
import type { CallOptions, Reply, Word, Words } from './lib/types'

export type { CallOptions, CommandMethods, Reply, Word, Words }

/** Whether the server may have run a command that failed. */
export type Outcome = 'not-run' | 'unknown' | 'answered'

/** What all errors of this library are. */
export class JustRedisError extends Error {
  /** A word for the reason; of a ReplyError the first word of what the server said. */
  readonly code: string
  /** The number of the reason, one of the JR_ERR_* of justredis.h. */
  readonly status: number
  readonly outcome: Outcome
  /** What became of the parts of a command that went to several nodes of a cluster. */
  readonly attributes?: { [name: string]: Reply }
  /** Of a pipeline: what came of each of its commands. */
  readonly answers?: unknown[]
}

/** The server answered with an error; the message is its text. */
export class ReplyError extends JustRedisError {}
/** The deadline passed. */
export class TimeoutError extends JustRedisError {}
/** No connection could be made, or it went away. */
export class ConnectionError extends JustRedisError {}
/** The server refused the user name or the password. */
export class AuthError extends ConnectionError {}
/** The client is closed. */
export class ClosedError extends JustRedisError {}
/** An option is unknown or its value is wrong. */
export class ConfigError extends JustRedisError {}
/** The command cannot be sent that way; the message says what to use instead. */
export class RefusedError extends JustRedisError {}
/** Its AbortSignal was aborted; `cause` is the reason of the signal. */
export class AbortError extends JustRedisError {}
/** A watched key has changed: nothing of the transaction was run. */
export class TransactionError extends JustRedisError {}

export interface Endpoint {
  host?: string
  port?: number
  /** Of a Unix socket. */
  path?: string
}

export interface CredentialsQuery {
  address: string
  purpose: 'data' | 'sentinel'
  reason: 'connect' | 'renew' | 'rejected'
  /** So many milliseconds a connection waits for them. */
  budget: number
}

export interface Credentials {
  username?: string
  password: string
  /** For how many milliseconds they are valid; without it until they are refused. */
  validFor?: number
}

/** All options of the library by their names, in camel case or as it writes them; durations are milliseconds. */
export interface Options {
  url?: string | URL
  endpoints?: string | readonly (string | Endpoint)[]
  /** Strings of the server are Buffers. */
  buffers?: boolean
  /** Brings a connected socket (or its descriptor) to an address, within so many milliseconds. */
  dialer?: (address: string, timeout: number) => Socket | number | Promise<Socket | number>
  /** Is asked for user and password. An error with the code 'AUTH' says that waiting does not help. */
  credentials?: (query: CredentialsQuery) => Credentials | Promise<Credentials>
  [name: string]: unknown
}

/** What sends commands. T is what strings of the server are. */
export interface Commands<T> extends CommandMethods<T> {
  /** A command of any words. */
  command<R = Reply<T>>(words: readonly Word[], options?: CallOptions & { buffers?: boolean }): Promise<R>
  /** Commands that are sent in one piece. */
  pipeline(): Pipeline<T>
  /** Commands of which all run, or none. */
  multi(): Pipeline<T>
}

type Answers<R extends unknown[], T> = R extends [] ? (Reply<T> | ReplyError)[] : R

/** Commands that wait to be sent together. */
export type Pipeline<T = string, R extends unknown[] = []> = {
  [K in keyof CommandMethods<T>]: CommandMethods<T>[K] extends (...words: infer A) => Promise<infer V>
    ? (...words: A) => Pipeline<T, [...R, V | ReplyError]>
    : never
} & {
  readonly length: number
  command(words: readonly Word[]): Pipeline<T, [...R, Reply<T> | ReplyError]>
  /** Sends them. What the server answers stands in its place, errors too; what else fails is thrown, with `answers`. */
  exec(options?: CallOptions & { throw?: false }): Promise<Answers<R, T>>
  /** The same, but the first error of the server is thrown, too. */
  exec(options: CallOptions & { throw: true }): Promise<Answers<{ [K in keyof R]: Exclude<R[K], ReplyError> }, T>>
}
export const Pipeline: { prototype: Pipeline<string | Buffer> }

/** A message of a subscription. */
export interface Message<T = string> {
  kind: 'message' | 'pmessage' | 'smessage'
  channel: T
  /** Of a pmessage. */
  pattern: T | null
  data: T
  /** Messages may be missing before this one: the connection was lost and made again. */
  gap: boolean
  /** So many were dropped before this one, because they were not read in time. */
  dropped: number
}

export interface StreamOptions extends CallOptions {
  /** How many items are kept for a slow reader; beyond, the oldest are dropped, and that is told. 100000. */
  maxUnread?: number
}

/** Something that tells, until it ends. Read it by `for await`, or listen to 'message': then nothing is kept. */
export interface Stream<M> extends EventEmitter, AsyncIterable<M> {
  readonly closed: boolean
  next(): Promise<IteratorResult<M, undefined>>
  /** Ends it; what has come can still be read. */
  close(): Promise<void>
  /** The process goes on for its sake, which is so from the beginning. */
  ref(): this
  /** The process does not go on for its sake alone. */
  unref(): this
  on(event: 'message', listener: (message: M) => void): this
  on(event: 'gap' | 'end', listener: () => void): this
  on(event: 'error', listener: (error: JustRedisError) => void): this
  on(event: string, listener: (...values: any[]) => void): this
}

/** Channels and patterns. Other events: subscribe, unsubscribe, psubscribe, ... (channel, how many), pong (text). */
export interface Subscription<T = string> extends Stream<Message<T>> {
  /** How often messages may have been lost. */
  readonly gaps: number
  subscribe(channels: Words, options?: CallOptions): Promise<number>
  psubscribe(patterns: Words, options?: CallOptions): Promise<number>
  ssubscribe(channels: Words, options?: CallOptions): Promise<number>
  unsubscribe(channels?: Words, options?: CallOptions): Promise<number>
  punsubscribe(patterns?: Words, options?: CallOptions): Promise<number>
  sunsubscribe(channels?: Words, options?: CallOptions): Promise<number>
  ping(text?: Word, options?: CallOptions): Promise<Reply<T>>
}
export const Subscription: { prototype: Subscription<string | Buffer> }

export interface Feed<T = string> extends Stream<{ data: Reply<T>; gap: boolean; dropped: number }> {
  readonly gaps: number
}

/** What happens to a connection. */
export interface ClientEvent {
  event: string
  address: string
  reason?: string
  [name: string]: Reply | undefined
}

export interface Statistics {
  version: string
  /** Accepted and not completed. */
  requests: number
  nodes: { address: string; role: string; slots: number; links: number; [name: string]: Reply }[]
  links: { address: string; purpose: string; connected: number; [name: string]: Reply }[]
  dedicated: { in_use: number; idle: number; waiting: number; [name: string]: Reply }
  sentinels: { address: string; primary: string; [name: string]: Reply }[]
  subscriptions: { request: number; channels: number; unread: number; [name: string]: Reply }[]
  cache_hits: number
  cache_misses: number
  [name: string]: Reply | object
}

/** One connection for itself. */
export interface Lease<T = string> extends Commands<T> {
  watch(...keys: Words[]): Promise<'OK'>
  /** Gives the connection back. */
  release(): void
  [Symbol.dispose](): void
}
export const Lease: { prototype: Lease<string | Buffer> }

type TextOf<O, T> = O extends { buffers: true } ? Buffer : O extends { buffers: false } ? string : T

/** A client of a server, a cluster, or of what sentinels watch. */
export interface Redis<T = string> extends Commands<T> {
  /** The same client, with these options for each command. */
  with<const O extends CallOptions & { buffers?: boolean }>(options: O): Redis<TextOf<O, T>>
  /** A view on another database number. */
  database(number: number): Redis<T>
  /** A connection for itself; `key` is one of those that it will be used for. */
  lease(key?: Word): Lease<T>
  /** A lease whose `multi()` runs only if none of these keys has changed. */
  watch(...keys: Words[]): Promise<Lease<T>>
  subscribe(channels: Words, options?: StreamOptions): Promise<Subscription<T>>
  psubscribe(patterns: Words, options?: StreamOptions): Promise<Subscription<T>>
  ssubscribe(channels: Words, options?: StreamOptions): Promise<Subscription<T>>
  /** Every command that the server runs. */
  monitor(options?: StreamOptions): Promise<Feed<T>>
  /** Keys that change, of those with one of these prefixes: data is ['invalidate', keys]. */
  invalidations(prefixes?: Words, options?: StreamOptions): Promise<Feed<T>>
  /** What happens to the connections, from now on; it does not keep the process alive. */
  events(): Stream<ClientEvent>
  stats(): Statistics
  locate(key: Word): { slot: number; primary: string; replicas: string[] }
  /** Others from now on, also for connections that there are. */
  setCredentials(username: string | null | undefined, password: string): void
  /** Lets what is under way end, for so many milliseconds (5000), and closes everything; true: nothing was cut off. */
  close(timeout?: number): Promise<boolean>
  [Symbol.asyncDispose](): Promise<boolean>
}

export const Redis: {
  prototype: Redis<string | Buffer>
  new <const O extends Options = Options>(url: string | URL, options?: O): Redis<TextOf<O, string>>
  new (): Redis
  new <const O extends Options>(options: O): Redis<TextOf<O, string>>
}

/** Of the library. */
export const version: string
