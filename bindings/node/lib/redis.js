'use strict'
// Clients: everything that sends commands.

const native = require('./native.js')
const table = require('./commands.js')
const { CANCELED, JustRedisError, ReplyError, TransactionError } = require('./errors.js')
const { REQUEST_FLAGS, BUFFERS, readCallOptions, readConfiguration } = require('./options.js')
const { functions, read, registerFunction } = require('./replies.js')
const { send1, send2, sendCommands, sendWords } = require('./requests.js')
const { answerWithCredentials, answerWithSocket } = require('./asked.js')
const { Events, Feed, Subscription, open } = require('./subscription.js')

const CLOSE_MS = 5000
const OWNERS = new FinalizationRegistry(({ handle, asked }) => {
  native.clientFree(handle)
  for (const number of asked) functions.delete(number)
})

/** A handle of the library; freed when nobody holds it any more. Its number is 0 once it has ended. */
class Link {
  constructor(handle, asked = []) {
    this.handle = handle
    this.asked = asked
    OWNERS.register(this, { handle, asked }, this)
  }

  /** It has ended; the handle is to be freed, or is already. */
  forget() {
    OWNERS.unregister(this)
    this.handle = 0
    for (const number of this.asked) functions.delete(number)
  }

  free() {
    const { handle } = this
    if (handle !== 0) {
      this.forget()
      native.clientFree(handle)
    }
  }
}

function isOptions(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof ArrayBuffer)
  )
}

/** The words of a command; an array among them is its items. */
function flatten(prefix, values, count) {
  const words = prefix.slice()
  for (let i = 0; i < count; i++) {
    const value = values[i]
    if (Array.isArray(value)) for (const item of value) words.push(item)
    else words.push(value)
  }
  return words
}

function isReply(error) {
  return error instanceof ReplyError
}

const NO_OPTIONS = { flags: 0, timeout: 0, route: null, signal: undefined }

/** Sends commands. Its methods for each command are added below. */
class Commands {
  /** @param link the handle; @param options what holds for each command: {flags, timeout, route, signal} */
  constructor(link, options) {
    this.link = link
    this.options = options
    this.flags = options.flags
    // Nothing but flags: a command can go the short way.
    this.short = options.timeout === 0 && options.route === null && options.signal === undefined
  }

  /** A command of any words: `command(['GET', key], { timeout: 100 })`. */
  command(words, options) {
    if (!Array.isArray(words)) return Promise.reject(new TypeError('a command is an array of its words'))
    if (options === undefined && this.short) return sendWords(this, words)
    return this._send([words], options)
  }

  /** Commands that are sent in one piece, by `exec()`. */
  pipeline() {
    return new Pipeline(this, 0)
  }

  /** The same as a transaction: all of them run, or none. */
  multi() {
    return new Pipeline(this, REQUEST_FLAGS.atomic)
  }

  _read(options) {
    return options === undefined ? this.options : readCallOptions(this.options, options)
  }

  _send(commands, options) {
    try {
      return sendCommands(this, commands, this._read(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** Commands that wait to be sent together. Its methods for each command give the pipeline itself. */
class Pipeline {
  #owner
  #atomic
  #commands = []
  #done = false

  constructor(owner, atomic) {
    this.#owner = owner
    this.#atomic = atomic
  }

  get length() {
    return this.#commands.length
  }

  command(words) {
    if (this.#done) throw new Error('this pipeline has been sent')
    if (!Array.isArray(words)) throw new TypeError('a command is an array of its words')
    this.#commands.push(words)
    return this
  }

  /** Sends them; an array of the answers, in which an error stands in its place. */
  async exec(options = {}) {
    if (this.#done) throw new Error('this pipeline has been sent')
    this.#done = true
    const { throw: throwing = false, ...others } = options
    const read = this.#owner._read(others)
    if (this.#commands.length === 0) return []
    const answers = await this.#send({ ...read, flags: read.flags | this.#atomic })
    const error = answers.find((answer) => answer instanceof JustRedisError && (throwing || !isReply(answer)))
    if (error === undefined) return answers
    error.answers = answers
    if (read.signal?.aborted && error.status === CANCELED) error.cause = read.signal.reason
    throw error
  }

  async #send(options) {
    if (this.#commands.length === 1 && !this.#atomic) {
      try {
        return [await sendCommands(this.#owner, this.#commands, options)]
      } catch (error) {
        if (!isReply(error)) throw error
        return [error]
      }
    }
    const answers = await sendCommands(this.#owner, this.#commands, options)
    if (answers === null) {
      throw new TransactionError('a watched key has changed: nothing was run', { code: 'WATCH', status: 0 })
    }
    return answers
  }
}

/** One connection for itself: for WATCH, and for what changes a connection. */
class Lease extends Commands {
  /** Gives the connection back. */
  release() {
    this.link.free()
  }

  /** The transaction runs only if none of these keys has changed meanwhile. */
  watch(...keys) {
    return sendWords(this, flatten(['WATCH'], keys, keys.length))
  }
}

if (Symbol.dispose) Lease.prototype[Symbol.dispose] = Lease.prototype.release

/** A client of a server, a cluster, or of what sentinels watch; or a view of it on another database. */
class Redis extends Commands {
  /** `new Redis(url, options)` or `new Redis(options)`. */
  constructor(...given) {
    if (given[0] instanceof Link) {
      super(given[0], given[1])
      return
    }
    const { pairs, buffers, dialer, credentials } = readConfiguration(given[0], given[1])
    const asked = []
    if (dialer !== undefined) asked.push(registerFunction(answerWithSocket(dialer)))
    if (credentials !== undefined) asked.push(registerFunction(answerWithCredentials(credentials)))
    let handle
    try {
      handle = native.clientNew(
        pairs,
        dialer === undefined ? 0 : asked[0],
        credentials === undefined ? 0 : asked[asked.length - 1],
      )
    } catch (error) {
      for (const number of asked) functions.delete(number)
      throw error
    }
    super(new Link(handle, asked), buffers ? { ...NO_OPTIONS, flags: BUFFERS } : NO_OPTIONS)
  }

  /** The same client, with these options for each command. */
  with(options) {
    return new Redis(this.link, readCallOptions(this.options, options))
  }

  /** A view on another database number; it shares everything else. */
  database(number) {
    if (!Number.isInteger(number) || number < 0 || number > 0x7fffffff) {
      throw new RangeError('a database is a number from 0 on')
    }
    const link = new Link(native.clientDatabase(this.link.handle, number))
    link.parent = this.link // whose functions it may ask
    return new Redis(link, this.options)
  }

  /** A connection for itself; `key` is one of those that it will be used for. */
  lease(key) {
    const link = new Link(native.clientLease(this.link.handle, key))
    link.parent = this.link
    // What a lease has no use for.
    const flags = this.flags & ~(REQUEST_FLAGS.cached | REQUEST_FLAGS.replica | REQUEST_FLAGS.dedicated)
    return new Lease(link, { ...this.options, flags, route: null })
  }

  /** A lease whose `multi()` runs only if none of the keys has changed. */
  async watch(...keys) {
    const words = flatten(['WATCH'], keys, keys.length)
    const lease = this.lease(words[1])
    try {
      await sendWords(lease, words)
    } catch (error) {
      lease.release()
      throw error
    }
    return lease
  }

  subscribe(channels, options) {
    return this.#listen(Subscription, 'SUBSCRIBE', channels, options)
  }

  psubscribe(patterns, options) {
    return this.#listen(Subscription, 'PSUBSCRIBE', patterns, options)
  }

  ssubscribe(channels, options) {
    return this.#listen(Subscription, 'SSUBSCRIBE', channels, options)
  }

  /** Every command that the server runs. */
  monitor(options) {
    return this.#listen(Feed, 'MONITOR', [], options)
  }

  /** The keys with one of these prefixes that change; without any: all. */
  invalidations(prefixes = [], options = undefined) {
    const words = (Array.isArray(prefixes) ? prefixes : [prefixes]).flatMap((prefix) => ['PREFIX', prefix])
    return this.#listen(Feed, 'CLIENT', ['TRACKING', 'ON', 'BCAST', ...words], options)
  }

  async #listen(Kind, verb, names, options = {}) {
    const { maxUnread, ...others } = options
    const words = flatten([verb], [names], 1)
    const read = this._read(others)
    return open(Kind, this, words, { ...read, flags: read.flags & BUFFERS, maxUnread })
  }

  /** What happens to the connections, from now on. */
  events() {
    return new Events(this)
  }

  /** The state of the client in numbers. */
  stats() {
    native.clientStats(this.link.handle)
    return read()
  }

  /** Where a key is: {slot, primary, replicas}. */
  locate(key) {
    native.clientLocate(this.link.handle, key)
    return read()
  }

  /** Others from now on, also for connections that there are. */
  setCredentials(username, password) {
    native.clientSetCredentials(this.link.handle, username ?? null, password)
  }

  /** Lets what is under way end, for so many milliseconds, and closes everything; never blocks. True: all has ended by
   * itself. */
  close(timeout = CLOSE_MS) {
    const { link } = this
    if (link.closing === undefined) link.closing = link.handle === 0 ? Promise.resolve(true) : close(link, timeout)
    return link.closing
  }
}

if (Symbol.asyncDispose) {
  Redis.prototype[Symbol.asyncDispose] = function () {
    return this.close()
  }
}

async function close(link, timeout) {
  const milliseconds = timeout === Number.POSITIVE_INFINITY ? 0xffffffff : Math.max(0, Math.ceil(timeout))
  const closed = native.clientClose(link.handle, milliseconds)
  // Who is asked and does not answer holds up nobody for longer.
  const limit = setTimeout(
    () => {
      for (const number of link.asked) functions.get(number)?.giveUp()
    },
    Math.min(milliseconds, 2 ** 31 - 1),
  )
  const status = await closed
  clearTimeout(limit)
  link.forget()
  return status === 0
}

function commandMethod(prefix) {
  const [name] = prefix
  const alone = prefix.length === 1
  return function (a, b) {
    const count = arguments.length
    if (this.short && alone) {
      if (count === 1 && typeof a !== 'object') return send1(this, name, a)
      if (count === 2 && typeof a !== 'object' && typeof b !== 'object') return send2(this, name, a, b)
    }
    const last = count > 0 ? arguments[count - 1] : undefined
    if (isOptions(last)) return this._send([flatten(prefix, arguments, count - 1)], last)
    const words = flatten(prefix, arguments, count)
    return this.short ? sendWords(this, words) : this._send([words], undefined)
  }
}

function pipelineMethod(prefix) {
  return function (...values) {
    return this.command(flatten(prefix, values, values.length))
  }
}

for (const [name, prefix] of table) {
  for (const [Class, make] of [
    [Commands, commandMethod],
    [Pipeline, pipelineMethod],
  ]) {
    if (name in Class.prototype) continue
    const method = make(prefix)
    Object.defineProperty(method, 'name', { value: name })
    Object.defineProperty(Class.prototype, name, { value: method, writable: true, configurable: true })
  }
}

module.exports = { Lease, Pipeline, Redis }
