'use strict'
// Requests that are under way, by their slots, and their answers: the addon calls `deliver` once for each batch of
// completions. What it brings is described in src/reply.c.

const native = require('./native.js')
const { makeError } = require('./errors.js')

const LEAF = 0
const NIL = 1
const TRUE = 2
const FALSE = 3
const ARRAY = 4
const MAP = 5
const SET = 6
const ERROR = 7

const MORE = 8

// --- the slots ---

const resolves = []
const rejects = []
// Who must live as long as the request does: a client that nobody holds would be freed. Of a stream: the stream.
const owners = []
const free = []
// What the addon reads and writes, too: the id of the last request, and for how many the loop is kept running.
const shared = native.setup(deliver, spill, grow, makeError, asked)
const ids = new BigUint64Array(shared, 0, 1)
const holding = new Int32Array(shared, 8, 1)

function hold() {
  holding[0]++
  native.hold()
}

function unhold() {
  holding[0]--
  native.hold()
}

function take(resolve, reject, owner) {
  const slot = free.length > 0 ? free.pop() : resolves.length
  resolves[slot] = resolve
  rejects[slot] = reject
  owners[slot] = owner
  holding[0]++
  return slot
}

// Without being settled.
function release(slot) {
  resolves[slot] = rejects[slot] = owners[slot] = undefined
  free.push(slot)
  unhold()
}

// A stream holds the loop by itself, if it does.
function takeStream(stream) {
  const slot = free.length > 0 ? free.pop() : resolves.length
  resolves[slot] = rejects[slot] = undefined
  owners[slot] = stream
  return slot
}

function releaseStream(slot) {
  owners[slot] = undefined
  free.push(slot)
}

// --- the answers ---

let ops = new Uint32Array(1)
let cursor = 0
let spilled = []
let leaves = spilled
let next = 0

function spill() {
  for (let i = 0; i < arguments.length; i++) spilled.push(arguments[i])
}

function grow(buffer) {
  ops = new Uint32Array(buffer)
}

function build() {
  const op = ops[cursor++]
  switch (op & 15) {
    case LEAF:
      return leaves[next++]
    case NIL:
      return null
    case TRUE:
      return true
    case FALSE:
      return false
    case ARRAY: {
      const items = []
      for (let i = op >>> 4; i > 0; i--) {
        if (ops[cursor] === LEAF) {
          cursor++
          items.push(leaves[next++])
        } else {
          items.push(build())
        }
      }
      return items
    }
    case MAP:
      return buildMap(op >>> 4)
    case SET: {
      const set = new Set()
      for (let i = op >>> 4; i > 0; i--) set.add(build())
      return set
    }
    case ERROR:
      return buildError(op >>> 4)
    default:
      return BigInt(leaves[next++])
  }
}

// An object; a Map where a key is something that no property can be called.
function buildMap(size) {
  const keys = []
  const values = []
  let plain = true
  for (let i = 0; i < size; i++) {
    const key = build()
    if (typeof key !== 'string' && typeof key !== 'number') plain = false
    keys.push(key)
    values.push(build())
  }
  if (!plain) return new Map(keys.map((key, i) => [key, values[i]]))
  const object = Object.create(null)
  for (let i = 0; i < size; i++) object[keys[i]] = values[i]
  return object
}

function buildError(hasAttributes) {
  const status = ops[cursor++] | 0
  const outcome = ops[cursor++]
  const error = makeError(status, outcome, leaves[next++])
  if (hasAttributes) error.attributes = build()
  return error
}

// Of the last batch there were several: then there is no hurry with the first of the next ones.
const pace = { bursts: false }

function deliver() {
  let streams
  if (spilled.length > 0) {
    for (let i = 0; i < arguments.length; i++) spilled.push(arguments[i])
    leaves = spilled
    spilled = []
  } else {
    leaves = arguments
  }
  next = 0
  cursor = 1
  const count = ops[0]
  pace.bursts = count > 1
  for (let i = 0; i < count; i++) {
    const slot = ops[cursor++]
    const flags = ops[cursor++]
    const dropped = ops[cursor++]
    const failed = (ops[cursor] & 15) === ERROR
    const value = build()
    const resolve = resolves[slot]
    if (resolve === undefined) {
      // What streams do with it is not done here: it may lead to calls that use `ops`.
      streams ??= []
      streams.push(owners[slot], value, flags, dropped)
      if ((flags & MORE) === 0) releaseStream(slot)
      continue
    }
    const reject = rejects[slot]
    resolves[slot] = rejects[slot] = owners[slot] = undefined
    free.push(slot)
    holding[0]--
    if (failed) reject(value)
    else resolve(value)
  }
  leaves = spilled
  if (streams !== undefined) {
    for (let i = 0; i < streams.length; i += 4) streams[i].deliver(streams[i + 1], streams[i + 2], streams[i + 3])
  }
}

/** What a call of the addon that gives a map has left to be read. */
function read() {
  leaves = spilled
  spilled = []
  next = 0
  cursor = 1
  return build()
}

// --- questions of the library ---

const functions = new Map()
let lastFunction = 0

/** A number by which the library asks a function. */
function registerFunction(answer) {
  functions.set(++lastFunction, answer)
  return lastFunction
}

function asked(number, call, kind, address, purpose, reason, budget) {
  functions.get(number)?.(call, { kind, address, purpose, reason, budget })
}

module.exports = {
  functions,
  hold,
  ids,
  pace,
  read,
  registerFunction,
  release,
  releaseStream,
  take,
  takeStream,
  unhold,
}
