'use strict'
// What the library asks functions of the program: to dial, and for credentials.

const fs = require('node:fs')
const os = require('node:os')
const native = require('./native.js')

const ERR_CONNECT = -14
const ERR_AUTH = -15
const REASONS = { 1: 'connect', 2: 'renew', 3: 'rejected' }
const PURPOSES = { 1: 'data', 2: 'sentinel' }

/** Asks `ask`; `answer` brings what it gave to the thread of the library that waits, `refuse` that there is nothing. */
function answering(ask, answer, refuse) {
  const waiting = new Set()
  const answerer = async (call, question) => {
    waiting.add(call)
    try {
      answer(call, await ask(question))
    } catch (error) {
      refuse(call, error)
    }
    waiting.delete(call)
  }
  answerer.giveUp = () => {
    for (const call of waiting) refuse(call, undefined)
    waiting.clear()
  }
  return answerer
}

function errorNumber(error) {
  if (typeof error?.errno === 'number' && error.errno < 0) return error.errno
  return -(os.constants.errno[error?.code] ?? os.constants.errno.EIO)
}

/** An error that says nothing to the library is told to the program. */
function warn(error, isUnderstood) {
  if (error !== undefined && !isUnderstood) process.emitWarning(error instanceof Error ? error : String(error))
}

/** A socket gives its connection away; a number is a descriptor. */
function descriptorOf(connection) {
  if (typeof connection === 'number') return connection
  const descriptor = connection?._handle?.fd
  if (typeof descriptor !== 'number' || descriptor < 0) {
    connection?.destroy?.()
    throw Object.assign(new Error('a dialer gives a connected net.Socket, or a descriptor'), { code: 'EBADF' })
  }
  const copy = native.duplicate(descriptor)
  connection.destroy()
  if (copy < 0) throw Object.assign(new Error('the descriptor cannot be duplicated'), { errno: copy })
  return copy
}

function answerWithSocket(dialer) {
  return answering(
    ({ address, budget }) => dialer(address, budget),
    (call, connection) => {
      const descriptor = descriptorOf(connection)
      if (!native.answerDial(call, descriptor)) fs.closeSync(descriptor)
    },
    (call, error) => {
      warn(error, error?.code !== undefined)
      native.answerDial(call, errorNumber(error))
    },
  )
}

function answerWithCredentials(credentials) {
  return answering(
    ({ address, purpose, reason, budget }) =>
      credentials({ address, purpose: PURPOSES[purpose] ?? 'data', reason: REASONS[reason] ?? 'connect', budget }),
    (call, { username, password, validFor }) => {
      const milliseconds = Number.isFinite(validFor) ? Math.max(1, Math.ceil(validFor)) : 0
      native.answerCredentials(call, 0, username ?? null, password, milliseconds)
    },
    (call, error) => {
      warn(error, error?.code === 'AUTH')
      native.answerCredentials(call, error?.code === 'AUTH' ? ERR_AUTH : ERR_CONNECT, null, null, 0)
    },
  )
}

module.exports = { answerWithCredentials, answerWithSocket }
