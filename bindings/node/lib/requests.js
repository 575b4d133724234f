'use strict'
// How requests are sent: a promise for each, settled by replies.js.

const native = require('./native.js')
const { AbortError, CANCELED } = require('./errors.js')
const { NOW } = require('./options.js')
const { ids, pace, release, take } = require('./replies.js')

// More words than that go in an array.
const FEW = 12

// What the promise that is being made is settled by: no closure for each.
let resolveLast
let rejectLast
function settlers(resolve, reject) {
  resolveLast = resolve
  rejectLast = reject
}

function now(flags) {
  return pace.bursts ? flags : flags | NOW
}

/** A command without options: the short way. */
function sendWords(owner, words) {
  const promise = new Promise(settlers)
  const reject = rejectLast
  const slot = take(resolveLast, reject, owner)
  try {
    if (words.length <= FEW) native.submit(owner.link.handle, slot, now(owner.flags), ...words)
    else native.submitArray(owner.link.handle, slot, now(owner.flags), words)
  } catch (error) {
    release(slot)
    reject(error)
  }
  return promise
}

function send1(owner, a, b) {
  const promise = new Promise(settlers)
  const reject = rejectLast
  const slot = take(resolveLast, reject, owner)
  try {
    native.submit(owner.link.handle, slot, now(owner.flags), a, b)
  } catch (error) {
    release(slot)
    reject(error)
  }
  return promise
}

function send2(owner, a, b, c) {
  const promise = new Promise(settlers)
  const reject = rejectLast
  const slot = take(resolveLast, reject, owner)
  try {
    native.submit(owner.link.handle, slot, now(owner.flags), a, b, c)
  } catch (error) {
    release(slot)
    reject(error)
  }
  return promise
}

function aborted(error, signal) {
  const told = new AbortError(error?.message ?? 'the request was aborted before it was sent', {
    code: 'ABORT_ERR',
    status: CANCELED,
    cause: signal.reason,
  })
  if (error !== undefined) told.outcome = error.outcome
  return told
}

// One listener for each signal, however many requests it is for.
const aborts = new WeakMap()

/** Calls `stop` when the signal is aborted; the set from which to delete it when that is not wanted any more. */
function onAbort(signal, stop) {
  let stops = aborts.get(signal)
  if (stops === undefined) {
    const fresh = new Set()
    stops = fresh
    aborts.set(signal, fresh)
    signal.addEventListener('abort', () => fresh.forEach(call), { once: true })
  }
  stops.add(stop)
  return stops
}

function call(stop) {
  stop()
}

/** Commands with options: {flags, timeout, route, signal}, and the id of the subscription that is changed. */
function sendCommands(owner, commands, options, subscription) {
  const { signal } = options
  if (signal?.aborted) return Promise.reject(aborted(undefined, signal))
  return new Promise((resolve, reject) => {
    let stops
    let stop
    const slot = take(
      signal === undefined
        ? resolve
        : (value) => {
            stops.delete(stop)
            resolve(value)
          },
      signal === undefined
        ? reject
        : (error) => {
            stops.delete(stop)
            reject(error.status === CANCELED && signal.aborted ? aborted(error, signal) : error)
          },
      owner,
    )
    try {
      native.submitWith(
        owner.link.handle,
        slot,
        now(options.flags),
        options.timeout,
        options.route,
        subscription ?? null,
        commands,
      )
    } catch (error) {
      release(slot)
      reject(error)
      return
    }
    if (signal !== undefined) {
      const id = ids[0]
      stop = () => cancel(owner, id)
      stops = onAbort(signal, stop)
    }
  })
}

/** Ends a request before its answer, if it is not too late. */
function cancel(owner, id) {
  try {
    return native.cancel(owner.link.handle, id)
  } catch {
    return false // the client is being closed, which ends it
  }
}

module.exports = { aborted, cancel, onAbort, send1, send2, sendCommands, sendWords }
