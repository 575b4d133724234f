// Clusters, sentinels, replicas.

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { Redis } from 'justredis'
import { shows } from './capability.mjs'
import { ask, Cluster, Watched } from './servers.mjs'

shows('cluster', 'a cluster', async () => {
  const cluster = await Cluster.start()
  const client = new Redis(cluster.url)
  await client.flushall({ route: 'primaries' })
  const keys = Array.from({ length: 100 }, (_, i) => `key:${i}`)
  await Promise.all(keys.map((key, i) => client.set(key, i)))
  const sizes = await client.dbsize({ route: 'primaries' })
  const addresses = cluster.servers.map((server) => server.address).sort()
  assert.deepEqual(Object.keys(sizes).sort(), addresses)
  assert.equal(
    Object.values(sizes).reduce((sum, size) => sum + size),
    100,
  )
  assert.ok(Math.min(...Object.values(sizes)) > 0)
  assert.deepEqual(
    client
      .stats()
      .nodes.map((node) => node.address)
      .sort(),
    addresses,
  )
  assert.deepEqual(
    await client.mget(keys),
    keys.map((_, i) => String(i)),
  )
  assert.ok(addresses.includes(client.locate('key:1').primary))
  const subscription = await client.ssubscribe(['one', 'two'])
  await client.spublish('two', 'text')
  const { value } = await subscription.next()
  assert.deepEqual([value.kind, value.channel, value.data], ['smessage', 'two', 'text'])
  await subscription.close()
  const pipeline = client.pipeline()
  for (const key of keys) pipeline.get(key)
  assert.deepEqual(
    await pipeline.exec(),
    keys.map((_, i) => String(i)),
  )
  const lease = await client.watch('key:1')
  assert.deepEqual(await lease.multi().incr('key:1').exec(), [2])
  lease.release()
  await client.close()
  await cluster.end()
})

let watched

before(async () => {
  watched = await Watched.start()
})
after(() => watched.end())

shows('sentinel', 'sentinels', async () => {
  const client = new Redis(watched.url)
  assert.equal((await client.role())[0], 'master')
  assert.ok(client.stats().nodes.some((node) => node.address === watched.primary.address))
  assert.equal(client.stats().sentinels.length, 3)
  await client.close()
})

shows('replica reads', 'a replica answers', async () => {
  const client = new Redis(watched.url, { readFrom: 'replica' })
  await client.set('key', 'value')
  const earlier = await ask(watched.replica.port, 'INFO', 'commandstats')
  while ((await client.get('key')) !== 'value');
  const later = await ask(watched.replica.port, 'INFO', 'commandstats')
  assert.match(later, /cmdstat_get:/)
  assert.notEqual(later, earlier)
  assert.equal(await client.get('key', { replica: true }), 'value')
  await client.close()
})
