// Subscriptions and other requests with many answers.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import { AbortError, ClosedError, Redis, ReplyError, Subscription } from 'justredis'
import { shows } from './capability.mjs'
import { until } from './servers.mjs'
import { clientOfEmpty, server } from './shared.mjs'

const redis = clientOfEmpty()

async function read(stream, count) {
  const messages = []
  for await (const message of stream) if (messages.push(message) === count) break
  return messages
}

shows('pub/sub', 'channels and patterns, as an iteration', async () => {
  const subscription = await redis.subscribe('a')
  assert.ok(subscription instanceof Subscription)
  const confirmed = []
  for (const name of ['subscribe', 'psubscribe', 'unsubscribe', 'punsubscribe', 'ssubscribe']) {
    subscription.on(name, (channel, count) => confirmed.push([name, channel, count]))
  }
  assert.equal(await subscription.subscribe(['b', 'b']), 2)
  assert.equal(await subscription.psubscribe('p*'), 3)
  assert.equal(await subscription.ssubscribe('s'), 4)
  for (const channel of ['a', 'b', 'pq', 'none']) await redis.publish(channel, `to ${channel}`)
  await redis.spublish('s', 'to s')
  const plain = (message) => [message.kind, message.channel, message.pattern, message.data, message.gap]
  assert.deepEqual((await read(subscription, 4)).map(plain), [
    ['message', 'a', null, 'to a', false],
    ['message', 'b', null, 'to b', false],
    ['pmessage', 'pq', 'p*', 'to pq', false],
    ['smessage', 's', null, 'to s', false],
  ])
  const pong = once(subscription, 'pong')
  assert.equal(await subscription.ping('are you there'), 'are you there')
  assert.deepEqual(await pong, ['are you there'])
  assert.equal(await subscription.unsubscribe('a'), 3)
  await redis.publish('a', 'nobody')
  await redis.publish('b', 'again')
  assert.equal((await subscription.next()).value.data, 'again')
  await subscription.unsubscribe()
  await subscription.sunsubscribe()
  assert.equal(await subscription.punsubscribe(), 0)
  assert.equal(await subscription.subscribe('later'), 1)
  const names = confirmed.map(([name, channel]) => `${name} ${channel}`)
  const expected = ['subscribe b', 'psubscribe p*', 'ssubscribe s', 'unsubscribe a', 'unsubscribe b', 'punsubscribe p*']
  assert.deepEqual([...new Set(names)], [...expected, 'subscribe later'])
  const empty = await redis.subscribe([])
  assert.equal(await empty.psubscribe('*'), 1)
  await redis.publish('any', 'text')
  assert.equal((await empty.next()).value.channel, 'any')
  await empty.close()
  const waiting = subscription.next()
  await subscription.close()
  assert.deepEqual(await waiting, { value: undefined, done: true })
  assert.equal(subscription.closed, true)
  assert.deepEqual(await subscription.next(), { value: undefined, done: true })
  await assert.rejects(subscription.subscribe('c'), ClosedError)
  await subscription.close()
  assert.equal(redis.stats().subscriptions.length, 0)
})

shows('pub/sub', 'as an EventEmitter, with Buffers', async () => {
  const subscription = await redis.with({ buffers: true }).psubscribe(['p*', 'q*'])
  await redis.publish('pa', 'before anybody listens')
  const heard = []
  subscription.on('message', (message) => heard.push(message))
  await redis.publish('qa', Buffer.from([255]))
  await until(() => heard.length === 2)
  assert.deepEqual(heard[0].data, Buffer.from('before anybody listens'))
  assert.deepEqual([heard[1].channel, heard[1].data], [Buffer.from('qa'), Buffer.from([255])])
  const end = once(subscription, 'end')
  await subscription.close()
  await end
})

shows('pub/sub', 'what is refused, aborted, or too much', async () => {
  const aborted = AbortSignal.abort()
  await assert.rejects(redis.subscribe('a', { signal: aborted }), AbortError)
  const controller = new AbortController()
  const scoped = await redis.subscribe('a', { signal: controller.signal })
  const end = once(scoped, 'end')
  controller.abort()
  await end
  await redis.aclSetuser('mute', 'on', 'nopass', '+@all', 'resetchannels')
  const mute = new Redis(server.url, { username: 'mute', password: 'x' })
  await assert.rejects(mute.subscribe('a'), ReplyError)
  await mute.close()
  const small = await redis.subscribe('a', { maxUnread: 2 })
  for (let i = 0; i < 5; i++) await redis.publish('a', i)
  await redis.command(['PING'])
  await until(() => redis.stats().subscriptions[0].unread === 0)
  await redis.publish('a', 5)
  let message
  do message = (await small.next()).value
  while (message.dropped === 0)
  assert.ok(message.dropped >= 3)
  await small.close()
})

shows('gaps', 'a killed subscriber is told', async () => {
  // Each loss is told before the next message: what comes between two tellings has no holes.
  const subscription = await redis.subscribe('channel')
  let last = -1
  let sent = 0
  for (let losses = 1; losses <= 5; losses++) {
    for (let i = 0; i < 20; i++) await redis.publish('channel', sent++)
    await redis.clientKill('TYPE', 'pubsub')
    await until(() => subscription.gaps === losses)
    await redis.publish('channel', sent++)
    for (;;) {
      const { value } = await subscription.next()
      const number = Number(value.data)
      if (value.gap) assert.ok(number > last)
      else assert.equal(number, last + 1, 'a hole that was not told')
      last = number
      if (number === sent - 1) {
        assert.equal(value.gap, true)
        break
      }
    }
  }
  await subscription.close()
})

test('MONITOR', async () => {
  const monitor = await redis.monitor()
  await redis.set('seen', 1)
  for await (const { data } of monitor) if (data.includes('"seen"')) break
  await monitor.close()
})

test('invalidations', async () => {
  const feed = await redis.invalidations('user:')
  await redis.set('other:1', 1)
  await redis.set('user:1', 1)
  const { value } = await feed.next()
  assert.deepEqual(value, { data: ['invalidate', ['user:1']], gap: false, dropped: 0 })
  const gap = once(feed, 'gap')
  await redis.clientKill('TYPE', 'normal', 'SKIPME', 'yes')
  await gap
  assert.equal(feed.gaps, 1)
  await feed.close()
})

test('events', async () => {
  const client = new Redis(server.url)
  const events = client.events().ref()
  await client.ping()
  await client.clientKill('TYPE', 'normal', 'SKIPME', 'no').catch(() => {})
  const seen = []
  for await (const { event, address } of events) {
    seen.push([event, address])
    if (event === 'connected' && seen.some(([earlier]) => earlier === 'lost')) break
  }
  assert.deepEqual(seen.slice(-2), [
    ['lost', server.address],
    ['connected', server.address],
  ])
  await client.close()
  assert.equal(events.closed, true)
})
