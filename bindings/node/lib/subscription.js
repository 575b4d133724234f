'use strict'
// Requests with many answers: subscriptions, MONITOR, the events of a client. What they bring is read by an iteration,
// or heard of by listeners: while there is a listener of 'message' nothing is kept for an iteration.

const { EventEmitter } = require('node:events')
const native = require('./native.js')
const { ClosedError, CANCELED } = require('./errors.js')
const { ids, hold, unhold, releaseStream, takeStream } = require('./replies.js')
const { aborted, cancel, onAbort, sendCommands } = require('./requests.js')

const MORE = 8
const GAP = 16
const CLOSED = -4
const MOST_UNREAD = 100_000

/** Calls whoever listens; what a listener throws is an uncaught exception, and disturbs nobody else. */
function tell(emitter, ...event) {
  try {
    emitter.emit(...event)
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}

/** Something that tells, until it ends: an async iterable of its items, and an EventEmitter. */
class Stream extends EventEmitter {
  #owner
  #slot
  #id
  #items = []
  #first = 0
  #readers = []
  #dropped = 0
  #maxUnread
  #held = false
  #ended
  #end

  /** `start` sends the request, for a slot. */
  constructor(owner, start, { maxUnread = MOST_UNREAD } = {}) {
    super()
    this.#owner = owner
    this.#maxUnread = maxUnread
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.on('newListener', (name) => {
      if (name === 'message') process.nextTick(() => this.#flush())
    })
    this.#slot = takeStream(this)
    try {
      start(this.#slot)
    } catch (error) {
      releaseStream(this.#slot)
      throw error
    }
    this.#id = ids[0]
    this.ref()
  }

  /** The process goes on for its sake, which is so from the beginning. */
  ref() {
    if (!this.#held && this.#id !== undefined) {
      this.#held = true
      hold()
    }
    return this
  }

  /** The process does not go on for its sake alone. */
  unref() {
    if (this.#held) {
      this.#held = false
      unhold()
    }
    return this
  }

  get closed() {
    return this.#id === undefined
  }

  /** The id of its request; what the library calls a subscription. */
  get _id() {
    return this.#id
  }

  get _owner() {
    return this.#owner
  }

  /** Ends it; what has come can still be read. */
  async close() {
    if (this.#id !== undefined) cancel(this.#owner, this.#id)
    await this.#ended
  }

  /** From the batch of completions. */
  deliver(value, flags, dropped) {
    if (flags & MORE) this._take(value, flags, dropped)
    else this.#finish(value)
  }

  _take(value, _flags, dropped) {
    this._put(value, dropped)
  }

  /** An item for whoever reads. */
  _put(item, dropped = 0) {
    this.#dropped += dropped
    if (this.listenerCount('message') > 0) {
      this.#flush()
      tell(this, 'message', this.#mark(item))
      return
    }
    if (this.#readers.length > 0) {
      this.#readers.shift().resolve({ value: this.#mark(item), done: false })
      return
    }
    if (this.#items.length - this.#first >= this.#maxUnread) {
      this.#dropped += 1 + (this.#items[this.#first].dropped ?? 0)
      this._lost(this.#items[this.#first])
      this.#items[this.#first++] = undefined
      if (this.#first > 1024 && this.#first * 2 > this.#items.length) {
        this.#items = this.#items.slice(this.#first)
        this.#first = 0
      }
    }
    this.#items.push(item)
  }

  /** So many were dropped before what is no item: the next one says it. */
  _missed(dropped) {
    this.#dropped += dropped
  }

  /** An item was dropped because nobody read it. */
  _lost() {}

  // How many were dropped before this one.
  #mark(item) {
    if (this.#dropped > 0 && typeof item === 'object' && 'dropped' in item) {
      item.dropped += this.#dropped
      this.#dropped = 0
    }
    return item
  }

  #shift() {
    const item = this.#items[this.#first]
    this.#items[this.#first++] = undefined
    if (this.#first === this.#items.length) {
      this.#items = []
      this.#first = 0
    }
    return this.#mark(item)
  }

  #flush() {
    while (this.#first < this.#items.length && this.listenerCount('message') > 0) tell(this, 'message', this.#shift())
  }

  #finish(value) {
    this.unref()
    this.#id = undefined
    // That it was closed is no failure.
    const failed = value instanceof Error && value.status !== CANCELED && value.status !== CLOSED
    for (const reader of this.#readers) {
      if (failed) reader.reject(value)
      else reader.resolve({ value: undefined, done: true })
    }
    this.#readers = []
    this.failure = failed ? value : undefined
    this._ended(value)
    if (failed && this.listenerCount('error') > 0) tell(this, 'error', value)
    tell(this, 'end')
    this.#end()
  }

  _ended() {}

  /** The next item, when it is there. */
  next() {
    if (this.#first < this.#items.length) return Promise.resolve({ value: this.#shift(), done: false })
    if (this.#id === undefined) {
      const { failure } = this
      this.failure = undefined
      return failure ? Promise.reject(failure) : Promise.resolve({ value: undefined, done: true })
    }
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  /** An iteration that is left ends nothing: the next one goes on. Close it when you are done. */
  [Symbol.asyncIterator]() {
    return { next: () => this.next(), [Symbol.asyncIterator]: () => this }
  }
}

/** One whose promise is settled when the server has confirmed it, and which may have gaps. */
class Confirmed extends Stream {
  #settle
  #gap = false
  gaps = 0

  constructor(owner, words, options, settle) {
    const start = (slot) =>
      native.submitWith(owner.link.handle, slot, options.flags, options.timeout, options.route, null, [words])
    super(owner, start, options)
    this.#settle = settle
  }

  _confirm() {
    this.#settle?.resolve(this)
    this.#settle = undefined
  }

  /** With a confirmation: from here on nothing is missing, but before it something may be. */
  _look(flags) {
    if (flags & GAP && !this.#gap) {
      this.#gap = true
      this.gaps++
      tell(this, 'gap')
    }
  }

  _tell(item, dropped) {
    item.gap = this.#gap
    this.#gap = false
    this._put(item, dropped)
  }

  // The gap before it is one before the next.
  _lost(item) {
    if (item.gap) this.#gap = true
  }

  _ended(value) {
    this.#settle?.reject(value instanceof Error ? value : ended())
    this.#settle = undefined
  }
}

function ended() {
  return new ClosedError('the subscription has ended', { code: 'CLOSED', status: CLOSED })
}

const CONFIRMATIONS = new Set(['', 'p', 's'].flatMap((prefix) => [`${prefix}subscribe`, `${prefix}unsubscribe`]))

/** Messages of channels and patterns: {kind, channel, pattern, data, gap, dropped}. */
class Subscription extends Confirmed {
  _take(value, flags, dropped) {
    if (!Array.isArray(value)) {
      // How many channels it begins with: all are confirmed.
      this._confirm()
      return
    }
    const kind = String(value[0])
    if (CONFIRMATIONS.has(kind)) {
      this._look(flags)
      this._missed(dropped)
      tell(this, kind, value[1], value[2])
    } else if (kind === 'pong') {
      this._missed(dropped)
      tell(this, 'pong', value[1])
    } else {
      const [pattern, channel] = kind === 'pmessage' ? value.slice(1) : [null, value[1]]
      this._tell({ kind, channel, pattern, data: value[value.length - 1], gap: false, dropped: 0 }, dropped)
    }
  }

  async #change(verb, names, options) {
    if (this.closed) throw ended()
    const words = [verb].concat(names ?? [])
    return sendCommands(this._owner, [words], this._owner._read(options), this._id)
  }

  /** Further channels; how many channels and patterns it has then. */
  subscribe(channels, options) {
    return this.#change('SUBSCRIBE', channels, options)
  }

  psubscribe(patterns, options) {
    return this.#change('PSUBSCRIBE', patterns, options)
  }

  ssubscribe(channels, options) {
    return this.#change('SSUBSCRIBE', channels, options)
  }

  /** Not these channels any more; without any: none. */
  unsubscribe(channels, options) {
    return this.#change('UNSUBSCRIBE', channels, options)
  }

  punsubscribe(patterns, options) {
    return this.#change('PUNSUBSCRIBE', patterns, options)
  }

  sunsubscribe(channels, options) {
    return this.#change('SUNSUBSCRIBE', channels, options)
  }

  /** Asks the connection of the subscription whether it is alive. */
  ping(text, options) {
    return this.#change('PING', text, options)
  }
}

/** A request of another kind with many answers, such as MONITOR, whose first one is OK: {data, gap, dropped}. */
class Feed extends Confirmed {
  _take(value, flags, dropped) {
    if (value === 'OK') {
      this._look(flags)
      this._missed(dropped)
      this._confirm()
    } else {
      this._tell({ data: value, gap: false, dropped: 0 }, dropped)
    }
  }
}

/** What happens to the connections of a client. It does not keep the process alive. */
class Events extends Stream {
  constructor(owner) {
    super(owner, (slot) => native.submitEvents(owner.link.handle, slot, 0))
    this.unref()
  }
}

/** Sends it, and gives the stream when it is confirmed. */
function open(Kind, owner, words, options) {
  return new Promise((resolve, reject) => {
    const { signal } = options
    if (signal?.aborted) throw aborted(undefined, signal)
    const stream = new Kind(owner, words, options, { resolve, reject })
    if (signal !== undefined) {
      const stop = () => stream.close()
      const stops = onAbort(signal, stop)
      stream.once('end', () => stops.delete(stop))
    }
  })
}

module.exports = { Events, Feed, Subscription, open }
