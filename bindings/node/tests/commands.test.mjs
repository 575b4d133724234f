// Commands, their answers and their errors.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import {
  AbortError,
  ClosedError,
  ConfigError,
  ConnectionError,
  JustRedisError,
  Redis,
  RefusedError,
  ReplyError,
  TimeoutError,
  TransactionError,
} from 'justredis'
import { shows } from './capability.mjs'
import { ask } from './servers.mjs'
import { clientOfEmpty, server } from './shared.mjs'

const redis = clientOfEmpty()

/** Without its prototype, to be compared. */
const plain = (object) => ({ ...object })

shows('command', 'words of any bytes', async () => {
  const buffers = redis.with({ buffers: true })
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  for (const value of [Buffer.alloc(0), Buffer.from('\r\n\0$5\r\n'), Buffer.concat(Array(5000).fill(all))]) {
    assert.equal(await redis.set('key', value), 'OK')
    assert.deepEqual(await buffers.get('key'), value)
  }
  const words = [
    [7, '7'],
    [-0, '0'],
    [1.5, '1.5'],
    [1e21, '1e+21'],
    [2n ** 70n, '1180591620717411303424'],
    [Number.POSITIVE_INFINITY, 'inf'],
    ['', ''],
    ['\u00e4\u{1f600}\0', '\u00e4\u{1f600}\0'],
    ['x'.repeat(70_000), 'x'.repeat(70_000)],
    ['\u20ac'.repeat(50_000), '\u20ac'.repeat(50_000)],
    [new Uint8Array([98, 99]), 'bc'],
    [new Uint16Array([0x6362]), 'bc'],
    [Buffer.from('abc').subarray(1), 'bc'],
    [new DataView(Uint8Array.from([97, 98, 99]).buffer, 1), 'bc'],
    [Uint8Array.from([97]).buffer, 'a'],
  ]
  for (const [word, stored] of words) {
    await redis.set('key', word)
    assert.equal(await redis.get('key'), stored)
    await redis.command(['SET', 'key', word])
    assert.equal(await redis.get('key'), stored)
  }
  const many = Array.from({ length: 20_000 }, (_, i) => `key:${i}`)
  assert.equal(await redis.exists(many), 0)
  assert.equal(await redis.command(['EXISTS', ...many]), 0)
})

shows('command', 'answers in types of the language', async () => {
  assert.equal(await redis.incr('n'), 1)
  assert.equal(await redis.get('none'), null)
  assert.equal(await redis.rpush('list', 'a', ['b', 'c']), 3)
  assert.deepEqual(await redis.lrange('list', 0, -1), ['a', 'b', 'c'])
  await redis.hset('hash', 'field', 'value', '__proto__', 'x')
  const hash = await redis.hgetall('hash')
  assert.deepEqual(Object.entries(hash), [
    ['field', 'value'],
    ['__proto__', 'x'],
  ])
  assert.equal(hash.constructor, undefined)
  await redis.sadd('set', 'a', 'b')
  assert.deepEqual(await redis.smembers('set'), new Set(['a', 'b']))
  await redis.zadd('zset', 1.5, 'a')
  assert.equal(await redis.zscore('zset', 'a'), 1.5)
  const debug = (kind) => redis.command(['DEBUG', 'PROTOCOL', kind])
  assert.equal(await debug('bignum'), 1234567999999999999999999999999999999n)
  assert.equal(await debug('true'), true)
  assert.equal(await debug('null'), null)
  assert.equal(await debug('verbatim'), 'This is a verbatim\nstring')
  assert.deepEqual(plain(await debug('map')), { 0: false, 1: true, 2: false })
  assert.deepEqual(await redis.eval("return {1, {'a', false}, {}}", 0), [1, ['a', null], []])
  await redis.set('large', '9007199254740991')
  assert.equal(await redis.incrby('large', 0), 9007199254740991)
  assert.equal(await redis.incr('large'), 9007199254740992n)
  await redis.set('large', '-9223372036854775808')
  assert.equal(await redis.incrby('large', 0), -9223372036854775808n)
  assert.equal(await redis.eval("return '\\255'", 0), '\ufffd')
  const buffers = redis.with({ buffers: true })
  assert.deepEqual(await buffers.eval("return '\\255'", 0), Buffer.from([255]))
  assert.deepEqual(plain(await buffers.hgetall('hash')), {
    field: Buffer.from('value'),
    ['__proto__']: Buffer.from('x'),
  })
  assert.equal(await buffers.set('key', 'value'), 'OK')
  assert.deepEqual(await redis.command(['GET', 'key'], { buffers: true }), Buffer.from('value'))
  assert.equal(await buffers.with({ buffers: false }).get('key'), 'value')
})

shows('command', 'answers of many items', async () => {
  const items = Array.from({ length: 30_000 }, (_, i) => (i % 3 === 0 ? `\u20ac${i}` : `item ${i}`))
  await redis.rpush('list', items)
  assert.deepEqual(await redis.lrange('list', 0, -1), items)
  assert.deepEqual(
    await redis.with({ buffers: true }).lrange('list', 0, -1),
    items.map((item) => Buffer.from(item)),
  )
  await redis.hset(
    'hash',
    items.flatMap((item, i) => [item, i]),
  )
  const [all, size, again] = await Promise.all([redis.hgetall('hash'), redis.hlen('hash'), redis.lrange('list', 0, 1)])
  assert.equal(Object.keys(all).length, size)
  assert.equal(all['item 7'], '7')
  assert.deepEqual(again, items.slice(0, 2))
})

shows('command', 'every command of the catalog has a method', async () => {
  assert.equal(await redis.configGet('maxmemory').then((map) => map.maxmemory), '0')
  assert.equal(await redis.config('GET', 'maxmemory').then((map) => map.maxmemory), '0')
  assert.equal(await redis.clientGetname(), null)
  assert.equal(typeof (await redis.commandCount()), 'number')
  assert.equal(await redis.objectEncoding('none'), null)
  const methods = ['jsonGet', 'ftSearch', 'clusterCountFailureReports', 'bitfieldRo', 'xinfoStream', 'vadd', 'type']
  for (const name of methods) assert.equal(typeof redis[name], 'function', name)
  assert.equal(redis.get.name, 'get')
})

test('CommonJS and modules are one', () => {
  const required = createRequire(import.meta.url)('justredis')
  assert.equal(required.Redis, Redis)
  assert.ok(required.version.startsWith('0.'))
})

shows('errors', 'errors of two kinds', async () => {
  await redis.set('text', 'a')
  const reply = await redis.incr('text').catch((error) => error)
  assert.ok(reply instanceof ReplyError && reply instanceof JustRedisError && reply instanceof Error)
  assert.equal(reply.message, 'ERR value is not an integer or out of range')
  assert.deepEqual([reply.name, reply.code, reply.outcome, reply.status], ['ReplyError', 'ERR', 'answered', -11])
  const refused = await redis.select(1).catch((error) => error)
  assert.ok(refused instanceof RefusedError && !(refused instanceof ReplyError))
  assert.match(refused.message, /database/)
  assert.deepEqual([refused.code, refused.outcome], ['REFUSED', 'not-run'])
  for (const wrong of [true, null, undefined, () => 1, Symbol('a'), Number.NaN]) {
    await assert.rejects(redis.get(wrong), TypeError)
    await assert.rejects(redis.command(['GET', wrong]), TypeError)
    await assert.rejects(redis.pipeline().get(wrong).get('a').exec(), TypeError)
  }
  await assert.rejects(redis.get({ a: 1 }, 'x'), TypeError)
  await assert.rejects(redis.command('GET'), TypeError)
  await assert.rejects(redis.command([]), RefusedError)
  await assert.rejects(redis.get('a', { timeuot: 1 }), /no option 'timeuot'/)
  assert.equal(await redis.get('text'), 'a')
  const nobody = new Redis('redis://127.0.0.1:1')
  const lost = await nobody.ping().catch((error) => error)
  assert.ok(lost instanceof ConnectionError)
  assert.match(lost.message, /127\.0\.0\.1:1/)
  assert.deepEqual([lost.code, lost.outcome], ['CONNECT', 'not-run'])
  await nobody.close()
})

test('options that are wrong', () => {
  for (const wrong of [{ conectTimeout: 1 }, { connectTimeout: 'soon' }, 'http://a', { maxConnections: -1 }]) {
    assert.throws(() => new Redis(wrong), ConfigError)
  }
  assert.throws(() => new Redis({ dialer: 5 }), ConfigError)
  assert.throws(() => new Redis({ tlsCa: {} }), ConfigError)
})

shows('many in flight', 'a thousand in flight', async () => {
  const answers = Array.from({ length: 1000 }, () => redis.incr('n'))
  assert.deepEqual(
    await Promise.all(answers),
    Array.from({ length: 1000 }, (_, i) => i + 1),
  )
})

shows('threads', 'many tasks share a client', async () => {
  const work = async (task) => {
    for (let i = 0; i < 100; i++) {
      await redis.set(`task:${task}`, i)
      assert.equal(await redis.get(`task:${task}`), String(i))
    }
  }
  await Promise.all(Array.from({ length: 50 }, (_, task) => work(task)))
  assert.equal(redis.stats().links.filter((link) => link.purpose === 'commands').length, 1)
})

shows('pipeline', 'a pipeline', async () => {
  const answers = await redis.pipeline().set('a', 1).lpush('a', 'x').get('a').command(['ECHO', 'b']).exec()
  assert.equal(answers.length, 4)
  assert.equal(answers[0], 'OK')
  assert.ok(answers[1] instanceof ReplyError)
  assert.equal(answers[1].code, 'WRONGTYPE')
  assert.deepEqual(answers.slice(2), ['1', 'b'])
  const many = redis.pipeline()
  for (let i = 0; i < 1000; i++) many.append('b', i % 10)
  assert.equal(many.length, 1000)
  assert.deepEqual(
    await many.exec({ timeout: 10_000 }),
    Array.from({ length: 1000 }, (_, i) => i + 1),
  )
  assert.throws(() => many.get('a'), /has been sent/)
  await assert.rejects(many.exec(), /has been sent/)
  assert.deepEqual(await redis.pipeline().exec(), [])
  for (const [words, expected] of [
    [['GET', 'none'], null],
    [['LRANGE', 'none', 0, 1], []],
  ]) {
    assert.deepEqual(await redis.pipeline().command(words).exec(), [expected])
  }
  const [wrong] = await redis.pipeline().lpush('a', 'x').exec()
  assert.ok(wrong instanceof ReplyError)
  await assert.rejects(redis.pipeline().set('a', 1).lpush('a', 'x').exec({ throw: true }), ReplyError)
  assert.deepEqual(await redis.with({ buffers: true }).pipeline().get('a').get('a').exec(), [
    Buffer.from('1'),
    Buffer.from('1'),
  ])
  const nobody = new Redis('redis://127.0.0.1:1')
  for (const pipeline of [nobody.pipeline().get('a'), nobody.pipeline().get('a').get('b'), nobody.multi().get('a')]) {
    await assert.rejects(pipeline.exec(), ConnectionError)
  }
  await nobody.close()
})

shows('transaction', 'a transaction', async () => {
  assert.deepEqual(await redis.multi().set('a', 1).incr('a').exec(), ['OK', 2])
  assert.deepEqual(await redis.multi().incr('a').exec(), [3])
  const refused = await redis
    .multi()
    .set('a', 9)
    .command(['GET'])
    .exec()
    .catch((error) => error)
  assert.ok(refused instanceof ReplyError)
  assert.equal(await redis.get('a'), '3')
  const [ok, wrong] = await redis.multi().set('a', 'b').incr('a').exec()
  assert.equal(ok, 'OK')
  assert.ok(wrong instanceof ReplyError)
})

shows('watch', 'a watched key', async () => {
  const add = async (between) => {
    const lease = await redis.watch('n')
    try {
      const value = Number(await lease.get('n'))
      await between?.()
      return await lease
        .multi()
        .set('n', value + 1)
        .exec()
    } finally {
      lease.release()
    }
  }
  assert.deepEqual(await add(), ['OK'])
  const failed = await add(() => redis.set('n', 5)).catch((error) => error)
  assert.ok(failed instanceof TransactionError)
  assert.equal(failed.outcome, 'not-run')
  assert.equal(await redis.get('n'), '5')
  const lease = redis.lease()
  assert.equal(await lease.watch('n'), 'OK')
  assert.equal(await lease.select(1), 'OK')
  lease.release()
  lease.release()
  await assert.rejects(lease.get('n'), ClosedError)
  assert.equal(await redis.get('n'), '5')
})

shows('blocking', 'blocking commands block nobody', async () => {
  const waiting = [0, 1, 2].map((number) => redis.blpop(`queue:${number}`, 0))
  for (const number of [2, 1, 0]) {
    assert.equal(await redis.rpush(`queue:${number}`, number), 1)
    assert.deepEqual(await waiting[number], [`queue:${number}`, String(number)])
  }
})

shows('script', 'a script by its digest', async () => {
  for (let i = 0; i < 3; i++) assert.equal(await redis.eval('return ARGV[1]', 0, 'a'), 'a')
  await redis.scriptFlush()
  assert.equal(await redis.eval('return ARGV[1]', 0, 'b'), 'b')
  assert.match(await redis.info('commandstats'), /cmdstat_evalsha:/)
})

shows('databases', 'databases', async () => {
  await redis.set('key', 'zero')
  await redis.database(3).set('key', 'three')
  assert.equal(await redis.database(0).get('key'), 'zero')
  assert.equal(await redis.database(3).get('key'), 'three')
  for (const wrong of [-1, 1.5, '3']) assert.throws(() => redis.database(wrong), RangeError)
})

shows('cache', 'cached reads', async () => {
  const client = new Redis(server.url, { cacheBytes: '1MiB' })
  const cached = client.with({ cached: true })
  await client.set('key', 'old')
  for (let i = 0; i < 10; i++) assert.equal(await cached.get('key'), 'old')
  assert.equal(await client.get('key', { cached: true }), 'old')
  assert.ok(client.stats().cache_hits >= 10)
  await ask(server.port, 'SET', 'key', 'new')
  while ((await cached.get('key')) !== 'new') await turn()
  await client.close()
})

shows('timeout', 'a deadline', async () => {
  const late = await redis.blpop('nothing', 0, { timeout: 20 }).catch((error) => error)
  assert.ok(late instanceof TimeoutError)
  assert.deepEqual([late.code, late.outcome], ['TIMEOUT', 'not-run'])
  assert.equal(await redis.ping({ timeout: Number.POSITIVE_INFINITY }), 'PONG')
  assert.equal(await redis.with({ timeout: 60_000 }).ping(), 'PONG')
  for (const timeout of [0, -1, Number.NaN, '5']) await assert.rejects(redis.ping({ timeout }), RangeError)
  assert.throws(() => redis.with({ timeout: 0 }), RangeError)
})

shows('cancel', 'an AbortSignal', async () => {
  const controller = new AbortController()
  const waiting = redis.blpop('nothing', 0, { signal: controller.signal })
  await untilBlocked(1)
  controller.abort(new Error('enough'))
  const error = await waiting.catch((reason) => reason)
  assert.ok(error instanceof AbortError)
  assert.deepEqual([error.name, error.code, error.outcome], ['AbortError', 'ABORT_ERR', 'not-run'])
  assert.equal(error.cause.message, 'enough')
  await untilBlocked(0)
  const never = await redis.get('a', { signal: controller.signal }).catch((reason) => reason)
  assert.ok(never instanceof AbortError)
  assert.equal(never.outcome, 'not-run')
  const unused = new AbortController()
  assert.equal(await redis.ping({ signal: unused.signal }), 'PONG')
  unused.abort()
  const scoped = new AbortController()
  await ask(server.port, 'CLIENT', 'PAUSE', 60_000, 'WRITE')
  const pipeline = redis.with({ signal: scoped.signal }).pipeline().incr('a').incr('b')
  const later = pipeline.exec().catch((reason) => reason)
  await turn()
  scoped.abort('given up')
  const told = await later
  await ask(server.port, 'CLIENT', 'UNPAUSE')
  assert.ok(told instanceof AbortError)
  assert.equal(told.cause, 'given up')
})

async function untilBlocked(count) {
  const line = `blocked_clients:${count}\r`
  while (!(await redis.info('clients')).includes(line)) await turn()
}

shows('statistics', 'statistics', async () => {
  await redis.ping()
  const stats = redis.stats()
  assert.equal(stats.nodes[0].address, server.address)
  assert.equal(stats.links[0].purpose, 'commands')
  assert.equal(stats.requests, 0)
  assert.equal(redis.locate('key').primary, server.address)
})

shows('unix socket', 'a Unix socket', async () => {
  const path = `${server.folder}/socket`
  for (const given of [`unix://${path}`, { endpoints: [path] }, { endpoints: [{ path }] }]) {
    const client = new Redis(given)
    assert.equal(await client.ping(), 'PONG')
    assert.equal(client.stats().nodes[0].address, path)
    await client.close()
  }
})
