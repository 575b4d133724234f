'use strict'
// From what a program gives to the options of the library, and to the flags of a request.

const { ConfigError } = require('./errors.js')

const NOW = 64
const NAMES_OF_OURS = new Set(['buffers', 'dialer', 'credentials'])
const REQUEST_FLAGS = { atomic: 1, idempotent: 2, replica: 4, dedicated: 8, cached: 16 }
const BUFFERS = 1 << 16
const CALL_OPTIONS = new Set(['timeout', 'signal', 'route', 'buffers', 'idempotent', 'replica', 'dedicated', 'cached'])
const NO_TIMEOUT = 0xffffffff

function snake(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function address(endpoint) {
  if (typeof endpoint === 'string') return endpoint
  if (endpoint.path !== undefined) return endpoint.path
  const { host, port = 6379 } = endpoint
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function plain(name, value) {
  switch (typeof value) {
    case 'boolean':
      return value ? 'on' : 'off'
    case 'number':
      return value === Number.POSITIVE_INFINITY ? 'none' : String(value)
    case 'string':
      return value
    default:
      if (value instanceof URL) return value.href
      if (Buffer.isBuffer(value)) return value.toString()
      throw new ConfigError(`the option ${name} is a string, a number or a boolean`, { code: 'CONFIG', status: -2 })
  }
}

/** Names and values in one row, in the order in which they are set, and the options that are of this binding. */
function readConfiguration(first, second) {
  const given = typeof first === 'string' || first instanceof URL ? { url: first, ...second } : { ...first, ...second }
  const ours = { buffers: false }
  const pairs = []
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue
    if (NAMES_OF_OURS.has(name)) ours[name] = value
    else if (name === 'endpoints' && Array.isArray(value)) pairs.push([name, value.map(address).join(',')])
    else pairs.push([snake(name), plain(name, value)])
  }
  for (const name of ['dialer', 'credentials']) {
    if (ours[name] !== undefined && typeof ours[name] !== 'function') {
      throw new ConfigError(`${name} is a function`, { code: 'CONFIG', status: -2 })
    }
  }
  // A URL sets much at once: what is named beside it counts more.
  pairs.sort((a, b) => Number(b[0] === 'url') - Number(a[0] === 'url'))
  return { pairs: pairs.flat(), ...ours }
}

function readTimeout(timeout) {
  if (timeout === undefined) return 0
  if (timeout === Number.POSITIVE_INFINITY) return NO_TIMEOUT
  if (typeof timeout !== 'number' || !(timeout > 0)) {
    throw new RangeError('a timeout is more than 0 milliseconds; Infinity is none, undefined the option of the client')
  }
  return Math.min(Math.ceil(timeout), NO_TIMEOUT - 1)
}

/** What stands behind the words of a command, upon what was said before: {flags, timeout, route, signal}. */
function readCallOptions(base, options) {
  for (const name of Object.keys(options)) {
    if (!CALL_OPTIONS.has(name)) throw new TypeError(`there is no option '${name}' of a command`)
  }
  let flags = base.flags
  for (const [name, flag] of Object.entries(REQUEST_FLAGS)) {
    if (options[name] !== undefined) flags = options[name] ? flags | flag : flags & ~flag
  }
  if (options.buffers !== undefined) flags = options.buffers ? flags | BUFFERS : flags & ~BUFFERS
  return {
    flags,
    timeout: options.timeout === undefined ? base.timeout : readTimeout(options.timeout),
    route: options.route ?? base.route,
    signal: options.signal ?? base.signal,
  }
}

module.exports = { BUFFERS, NOW, REQUEST_FLAGS, readCallOptions, readConfiguration }
