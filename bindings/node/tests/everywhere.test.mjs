// The capabilities that are there everywhere, in each of the topologies that the file named by JR_TOPOLOGIES lists. The
// servers serve other tests, too: keys, channels and names of clients are of one test only.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { AbortError, Redis, ReplyError, TimeoutError, TransactionError } from 'justredis'
import { shows } from './capability.mjs'
import { until } from './servers.mjs'

/** Where a test runs, and the keys that are its own: in slots of all nodes. */
class Place {
  name = `node:${randomUUID()}`
  keys = Array.from({ length: 40 }, (_, i) => `${this.name}:${i}`)
  clients = []

  constructor(url) {
    this.url = url
  }

  client(options) {
    const client = new Redis(this.url, { clientName: this.name, ...options })
    this.clients.push(client)
    return client
  }

  /** Until so many connections of this test wait at the servers. */
  untilBlocked(client, count) {
    const waits = new RegExp(` name=${this.name} .* flags=\\w*b`)
    return until(async () => {
      const lists = Object.values(await client.clientList({ route: 'primaries' }))
      return lists.flatMap((list) => list.split('\n')).filter((line) => waits.test(line)).length === count
    })
  }

  async end() {
    for (const client of this.clients) await client.close()
  }
}

const CAPABILITIES = {
  command: async (place) => {
    const redis = place.client()
    const buffers = redis.with({ buffers: true })
    for (const [i, key] of place.keys.entries()) {
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => (byte + i) % 256))
      const value = Buffer.concat(Array(i + 1).fill(all))
      assert.equal(await redis.set(key, value), 'OK')
      assert.deepEqual(await buffers.get(key), value)
      assert.equal(await redis.get(`{${key}}none`), null)
      assert.equal(await redis.rpush(`{${key}}list`, '', '\r\n\0', i), 3)
      assert.deepEqual(await redis.lrange(`{${key}}list`, 0, -1), ['', '\r\n\0', String(i)])
      assert.equal(await redis.hset(`{${key}}hash`, 'field', 'value'), 1)
      assert.deepEqual({ ...(await redis.hgetall(`{${key}}hash`)) }, { field: 'value' })
    }
  },

  'many in flight': async (place) => {
    const redis = place.client()
    // Who does not know yet where the keys are is sent on, and that changes the order.
    for (const key of place.keys) assert.equal(await redis.incr(key), 1)
    const answers = Array.from({ length: 1000 }, (_, i) => redis.incr(place.keys[i % 40]))
    assert.deepEqual(
      await Promise.all(answers),
      Array.from({ length: 1000 }, (_, i) => Math.floor(i / 40) + 2),
    )
  },

  pipeline: async (place) => {
    const redis = place.client()
    const pipeline = redis.pipeline()
    for (const key of place.keys) pipeline.append(key, 'a')
    pipeline.lpush(place.keys[20], 'x')
    for (const key of place.keys) pipeline.append(key, 'b')
    const answers = await pipeline.exec()
    const [wrong] = answers.splice(40, 1)
    assert.ok(wrong instanceof ReplyError)
    assert.equal(wrong.code, 'WRONGTYPE')
    assert.deepEqual(answers, [...Array(40).fill(1), ...Array(40).fill(2)])
    const reading = redis.pipeline()
    for (const key of place.keys) reading.get(key)
    assert.deepEqual(await reading.exec(), Array(40).fill('ab'))
  },

  transaction: async (place) => {
    const redis = place.client()
    for (const key of place.keys) {
      const [number, words] = [`{${key}}number`, `{${key}}words`]
      assert.deepEqual(await redis.multi().set(number, 1).incr(number).rpush(words, 'x').exec(), ['OK', 2, 1])
      await assert.rejects(redis.multi().set(number, 9).command(['LPUSH', words]).exec(), ReplyError)
      assert.equal(await redis.get(number), '2')
      assert.equal(await redis.llen(words), 1)
    }
  },

  watch: async (place) => {
    const redis = place.client()
    const addOne = async (key, between) => {
      const lease = await redis.watch(key)
      try {
        const value = Number(await lease.get(key))
        if (between !== undefined) await redis.set(key, between)
        return await lease
          .multi()
          .set(key, value + 1)
          .exec()
      } finally {
        lease.release()
      }
    }
    for (const key of place.keys.slice(0, 8)) {
      assert.deepEqual(await addOne(key), ['OK'])
      await assert.rejects(addOne(key, 7), TransactionError)
      assert.deepEqual(await addOne(key), ['OK'])
      assert.equal(await redis.get(key), '8')
    }
  },

  blocking: async (place) => {
    const redis = place.client()
    const [lists, others] = [place.keys.slice(0, 8), place.keys.slice(8)]
    let answered = 0
    const waiting = lists.map((key) => redis.blpop(key, 0).finally(() => answered++))
    await place.untilBlocked(redis, 8)
    for (const key of others) {
      await redis.set(key, key)
      assert.equal(await redis.get(key), key)
    }
    assert.equal(answered, 0)
    for (const [i, key] of [...lists.entries()].reverse()) {
      assert.equal(await redis.rpush(key, `for ${key}`), 1)
      assert.deepEqual(await waiting[i], [key, `for ${key}`])
    }
  },

  'pub/sub': async (place) => {
    const [redis, other] = [place.client(), place.client()]
    const [one, two, pattern] = [`${place.name}:one`, `${place.name}:two`, `${place.name}:t*`]
    const subscription = await redis.subscribe(one)
    assert.equal(await subscription.psubscribe(pattern), 2)
    const next = async () => {
      const { kind, channel, pattern, data, gap } = (await subscription.next()).value
      return [kind, channel, pattern, data, gap]
    }
    await other.publish(one, 'first')
    assert.deepEqual(await next(), ['message', one, null, 'first', false])
    await other.publish(two, 'second')
    assert.deepEqual(await next(), ['pmessage', two, pattern, 'second', false])
    assert.equal(await subscription.ping('are you there'), 'are you there')
    assert.equal(await subscription.unsubscribe(one), 1)
    for (const channel of [one, two]) await redis.publish(channel, 'last')
    assert.deepEqual(await next(), ['pmessage', two, pattern, 'last', false])
    await subscription.close()
  },

  script: async (place) => {
    const redis = place.client()
    const script = `return redis.call('INCRBY', KEYS[1], ARGV[1]) -- ${place.name}`
    const byDigest = async () => {
      const statistics = Object.values(await redis.info('commandstats', { route: 'primaries' })).join()
      const calls = [...statistics.matchAll(/cmdstat_evalsha:calls=(\d+)/g)]
      return calls.reduce((sum, [, count]) => sum + Number(count), 0)
    }
    const before = await byDigest()
    for (const total of [3, 6, 9]) {
      for (const key of place.keys) assert.equal(await redis.eval(script, 1, key, 3), total)
      const flushed = Object.values(await redis.scriptFlush({ route: 'primaries' }))
      assert.deepEqual([...new Set(flushed)], ['OK'])
    }
    // All but the first on each connection.
    assert.ok((await byDigest()) - before >= 110)
  },

  cache: async (place) => {
    const [redis, other] = [place.client({ cacheBytes: '1MiB' }), place.client()]
    const cached = redis.with({ cached: true })
    for (const key of place.keys.slice(0, 8)) {
      await other.set(key, 'old')
      for (let i = 0; i < 10; i++) assert.equal(await cached.get(key), 'old')
      await other.set(key, 'new')
      await until(async () => (await cached.get(key)) === 'new')
    }
    assert.ok(redis.stats().cache_hits >= 60)
  },

  cancel: async (place) => {
    const redis = place.client()
    for (const key of place.keys.slice(0, 8)) {
      const controller = new AbortController()
      const waiting = redis.blpop(key, 0, { signal: controller.signal }).catch((reason) => reason)
      await place.untilBlocked(redis, 1)
      controller.abort()
      const error = await waiting
      assert.ok(error instanceof AbortError)
      assert.equal(error.outcome, 'not-run')
      await place.untilBlocked(redis, 0)
      // Nobody takes what comes now, but who asks anew.
      assert.equal(await redis.rpush(key, 'a'), 1)
      assert.equal(await redis.llen(key), 1)
      assert.deepEqual(await redis.blpop(key, 0), [key, 'a'])
    }
  },

  timeout: async (place) => {
    const redis = place.client()
    const last = place.keys[39]
    const patient = redis.blpop(last, 0)
    for (const key of place.keys.slice(0, 8)) {
      const late = await redis.blpop(key, 0, { timeout: 20 }).catch((reason) => reason)
      assert.ok(late instanceof TimeoutError)
      assert.equal(late.outcome, 'not-run')
      assert.equal(await redis.rpush(key, 'a'), 1)
      assert.deepEqual(await redis.blpop(key, 0, { timeout: 30_000 }), [key, 'a'])
    }
    await redis.rpush(last, 'b')
    assert.deepEqual(await patient, [last, 'b'])
  },

  // Tasks share a client; workers have one each, to the same servers.
  threads: async (place) => {
    const redis = place.client()
    const program = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { Redis } = require('justredis')
      const client = new Redis(workerData.url)
      Promise.all(workerData.keys.map((key) => client.incr(key))).then((all) => parentPort.postMessage(all.length))`
    const workerData = { url: place.url, keys: place.keys }
    const workers = Array.from({ length: 2 }, () => new Worker(program, { eval: true, workerData }))
    const ended = workers.map((worker) => Promise.all([once(worker, 'message'), once(worker, 'exit')]))
    const task = async (number) => {
      for (const key of place.keys) {
        const own = `{${key}}${number}`
        await redis.incr(key)
        await redis.set(own, own)
        assert.equal(await redis.get(own), own)
        await turn()
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, number) => task(number)))
    for (const [[count], [code]] of await Promise.all(ended)) assert.deepEqual([count, code], [40, 0])
    assert.deepEqual(await redis.mget(place.keys), Array(40).fill('10'))
  },
}

const lines = fs.readFileSync(process.env.JR_TOPOLOGIES, 'utf8').trim().split('\n')
for (const [topology, url] of lines.map((line) => line.split('\t'))) {
  for (const [capability, run] of Object.entries(CAPABILITIES)) {
    const title = `${capability}: ${topology}`
    const inPlace = async () => {
      const place = new Place(url)
      try {
        await run(place)
      } finally {
        await place.end()
      }
    }
    shows(capability, title, inPlace, topology)
  }
}
