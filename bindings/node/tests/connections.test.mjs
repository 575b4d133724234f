// How connections are made, kept, and closed.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { AuthError, ClosedError, ConnectionError, JustRedisError, Redis } from 'justredis'
import { shows } from './capability.mjs'
import { ask, certificates, Server, tlsServer, until } from './servers.mjs'
import { server } from './shared.mjs'

shows('TLS', 'TLS', async () => {
  const folder = certificates()
  const tls = await tlsServer(folder)
  const url = `rediss://localhost:${tls.tlsPort}`
  const client = new Redis(url, { tlsCa: `${folder}/ca.pem` })
  assert.equal(await client.ping(), 'PONG')
  await client.close()
  const wrong = new Redis(url, { tls_ca: fs.readFileSync(`${folder}/other-ca.pem`) })
  const error = await wrong.ping().catch((reason) => reason)
  assert.ok(error instanceof ConnectionError)
  assert.equal(error.code, 'TLS')
  assert.match(error.message, /none of the authorities in tls_ca/)
  await wrong.close()
  await tls.end()
})

shows('credentials', 'credentials by configuration, and others later', async () => {
  const own = await Server.start()
  await ask(own.port, 'CONFIG', 'SET', 'requirepass', 'first')
  const client = new Redis(own.url, { password: 'first' })
  assert.equal(await client.ping(), 'PONG')
  await client.aclSetuser('other', 'on', '>second', '~*', '+@all')
  client.setCredentials('other', 'second')
  while ((await client.aclWhoami()) !== 'other') await turn()
  await client.close()
  const wrong = new Redis(own.url, { password: 'wrong' })
  await assert.rejects(wrong.ping(), AuthError)
  await wrong.close()
  await own.end()
})

shows('credentials', 'the program is asked', async () => {
  const own = await Server.start()
  await ask(own.port, 'CONFIG', 'SET', 'requirepass', 'first')
  const asked = []
  const client = new Redis(own.url, {
    credentials: async (query) => {
      asked.push(query)
      await turn()
      return { password: 'first', validFor: 60_000 }
    },
  })
  assert.equal(await client.ping(), 'PONG')
  assert.deepEqual([asked[0].address, asked[0].purpose, asked[0].reason], [own.address, 'data', 'connect'])
  assert.ok(asked[0].budget > 0)
  await client.close()
  const none = new Redis(own.url, {
    credentials: () => {
      throw Object.assign(new Error('there are none'), { code: 'AUTH' })
    },
  })
  await assert.rejects(none.ping(), AuthError)
  await none.close()
  const silent = new Redis(own.url, { credentials: () => new Promise(() => {}) })
  const waiting = silent.ping().catch((error) => error)
  await silent.close(50)
  assert.ok((await waiting) instanceof JustRedisError)
  await own.end()
})

shows('dialer', 'the program dials', async () => {
  const dialled = []
  const dialer = async (address, timeout) => {
    dialled.push([address, timeout > 0])
    const socket = net.connect(server.port, '127.0.0.1')
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return socket
  }
  const client = new Redis({ endpoints: ['nowhere.invalid:1'], dialer })
  assert.equal(await client.ping(), 'PONG')
  await client.set('large', 'x'.repeat(1e6))
  assert.equal((await client.get('large')).length, 1e6)
  await client.close()
  assert.deepEqual(dialled[0], ['nowhere.invalid:1', true])
  const refusing = new Redis({
    dialer: () => {
      throw Object.assign(new Error('no'), { code: 'ECONNREFUSED' })
    },
  })
  const refused = await refusing.ping().catch((error) => error)
  assert.ok(refused instanceof ConnectionError)
  assert.match(refused.message, /refused/)
  await refusing.close()
  const odd = new Redis({ dialer: () => 'no socket' })
  await assert.rejects(odd.ping(), ConnectionError)
  await odd.close()
  const silent = new Redis({ dialer: () => new Promise(() => {}), connectTimeout: 30 })
  await assert.rejects(silent.ping(), ConnectionError)
  await silent.close()
})

shows('reconnect', 'a lost connection, and a server that was started anew', async () => {
  const own = await Server.start()
  const client = new Redis(own.url)
  await client.set('key', 'value')
  await ask(own.port, 'CLIENT', 'KILL', 'TYPE', 'normal')
  assert.equal(await client.get('key'), 'value')
  await own.stop()
  const answer = client.ping({ timeout: 30_000 })
  await own.start()
  assert.equal(await answer, 'PONG')
  await client.close()
  await own.end()
})

const descriptors = () => fs.readdirSync('/proc/self/fd').length
const threads = () => fs.readdirSync('/proc/self/task').length

shows('close', 'closing', async () => {
  // What Node itself makes when it is first needed: the queue of this thread, and the threads for what waits.
  for (let i = 0; i < 5; i++) {
    const first = new Redis(server.url)
    await first.ping()
    await first.close()
  }
  await until(() => !fs.readdirSync('/proc/self/task').some((id) => comm(id).startsWith('justredis')))
  const before = [descriptors(), threads()]
  const client = new Redis(server.url)
  await client.set('key', 'value')
  const blocked = client.blpop('queue', 0).catch((error) => error)
  const subscription = await client.subscribe('a')
  const answers = Array.from({ length: 100 }, () => client.get('key'))
  assert.ok(threads() > before[1])
  const closing = client.close()
  assert.equal(client.close(), closing)
  await closing
  assert.deepEqual(await Promise.all(answers), Array(100).fill('value'))
  assert.ok((await blocked) instanceof JustRedisError)
  assert.equal(subscription.closed, true)
  await assert.rejects(client.get('key'), ClosedError)
  assert.throws(() => client.stats(), ClosedError)
  assert.throws(() => client.database(1), ClosedError)
  // A thread that has been joined is a moment later gone for the kernel, too.
  await until(() => descriptors() === before[0] && threads() === before[1])
})

function comm(thread) {
  try {
    return fs.readFileSync(`/proc/self/task/${thread}/comm`, 'utf8')
  } catch {
    return ''
  }
}

shows('close', 'closing does not block the loop', async () => {
  const own = await Server.start()
  const client = new Redis(own.url)
  const other = new Redis(own.url)
  await client.ping()
  await ask(own.port, 'CLIENT', 'PAUSE', 60_000, 'WRITE')
  const write = client.set('key', 'value', { timeout: 60_000 })
  let closed = false
  const closing = client.close(60_000).then((all) => {
    closed = all
  })
  for (let i = 0; i < 100; i++) assert.equal(await other.ping(), 'PONG')
  assert.equal(closed, false)
  await ask(own.port, 'CLIENT', 'UNPAUSE')
  assert.equal(await write, 'OK')
  await closing
  assert.equal(closed, true)
  await other.close()
  await own.end()
})

test('a client that nobody holds any more is freed', async () => {
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString('--expose-gc')
  const collect = (await import('node:vm')).runInNewContext('gc')
  const before = descriptors()
  let answer = pop()
  await until(() => descriptors() > before)
  for (let i = 0; i < 3; i++) {
    collect()
    await turn()
  }
  const other = new Redis(server.url)
  await other.rpush('collected', 'it was still there')
  await other.close()
  assert.deepEqual(await answer, ['collected', 'it was still there'])
  answer = undefined
  await until(() => {
    collect()
    return descriptors() === before
  })
})

function pop() {
  return new Redis(server.url).blpop('collected', 0)
}
