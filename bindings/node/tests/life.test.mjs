// How processes and workers end, and how long memory lasts. JR_ROUNDS and JR_OPERATIONS make that long.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Redis } from 'justredis'
import { shows } from './capability.mjs'
import { ask, until } from './servers.mjs'
import { server } from './shared.mjs'

const ROUNDS = Number(process.env.JR_ROUNDS ?? 10)
const OPERATIONS = Number(process.env.JR_OPERATIONS ?? 200_000)

/** Starts a program of tests/programs; `ended` is [exit code, signal]. */
function start(name, ...words) {
  const program = fileURLToPath(new URL(`programs/${name}`, import.meta.url))
  const child = spawn(process.execPath, [program, server.url, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const started = { child, out: '', error: '' }
  child.stdout.on('data', (text) => (started.out += text))
  child.stderr.on('data', (text) => (started.error += text))
  started.ended = once(child, 'close')
  return started
}

async function run(name, ...words) {
  const started = start(name, ...words)
  const [code, signal] = await started.ended
  assert.deepEqual([signal, started.error], [null, ''], `${name} ${words}`)
  return [code, started.out]
}

shows('close', 'nothing but what is under way keeps a process alive', async () => {
  assert.deepEqual(await run('ends.mjs', 'nothing'), [0, ''])
  assert.deepEqual(await run('ends.mjs', 'command'), [0, 'OK\n'])
  assert.deepEqual(await run('ends.mjs', 'blocking'), [0, 'null\n'])
  assert.deepEqual(await run('ends.mjs', 'subscription'), [0, 'text\n'])
  assert.deepEqual(await run('ends.mjs', 'events'), [0, 'PONG\n'])
  assert.deepEqual(await run('ends.mjs', 'closed'), [0, 'true\n'])
  const held = start('ends.mjs', 'held')
  await until(() => held.out === 'subscribed\n')
  assert.match(await ask(server.port, 'PUBLISH', 'held', 'end'), /^:1/)
  assert.deepEqual(await held.ended, [0, null])
  assert.equal(held.out, 'subscribed\nend\n')
})

test('a listener that throws disturbs nobody else', async () => {
  const [code, out] = await run('ends.mjs', 'throwing')
  assert.deepEqual([code, out.split('\n').sort()], [0, ['', 'by a listener', 'y']])
})

shows('signals', 'SIGINT ends a wait', async () => {
  const waiting = start('ends.mjs', 'interrupted')
  await until(async () => (await ask(server.port, 'INFO', 'clients')).includes('blocked_clients:1'))
  waiting.child.kill('SIGINT')
  assert.deepEqual(await waiting.ended, [0, null])
  assert.equal(waiting.out, 'waits\nAbortError not-run\n')
  const killed = start('ends.mjs', 'blocking')
  killed.child.kill('SIGINT')
  assert.deepEqual(await killed.ended, [null, 'SIGINT'])
})

test('process.exit under load', { timeout: 600_000 }, async () => {
  for (let i = 0; i < ROUNDS; i++) assert.deepEqual(await run('load.mjs', i % 4 === 3 ? 'close' : 'exit'), [7, ''])
})

test('worker.terminate() under load', { timeout: 600_000 }, async () => {
  assert.deepEqual(await run('load.mjs', 'worker', String(ROUNDS)), [7, ''])
})

shows('threads', 'workers have clients of their own', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { Redis } = require('justredis')
    const client = new Redis(workerData.url)
    Promise.all(Array.from({ length: 100 }, () => client.incr('count'))).then(async (numbers) => {
      parentPort.postMessage(numbers.length)
    })`
  const client = new Redis(server.url)
  const workers = Array.from({ length: 4 }, () => {
    return new Worker(program, { eval: true, workerData: { url: server.url } })
  })
  const exits = workers.map((worker) => once(worker, 'exit'))
  for (const [numbers] of await Promise.all(workers.map((worker) => once(worker, 'message')))) {
    assert.equal(numbers, 100)
  }
  // They end by themselves: nothing keeps them alive.
  for (const [code] of await Promise.all(exits)) assert.equal(code, 0)
  assert.equal(await client.get('count'), '400')
  await client.close()
})

test('memory does not grow', { timeout: 3_600_000 }, async () => {
  const client = new Redis(server.url)
  await client.rpush('list', ['a', 'b', '\u20ac'])
  const buffers = client.with({ buffers: true })
  const works = [
    () => client.set('key', 'value'),
    () => client.get('key'),
    () => buffers.get('key'),
    () => client.lrange('list', 0, -1),
    () => client.get('key', { timeout: 10_000 }),
    () => client.command(['HSET', 'hash', 'field', 1]),
    () => client.hgetall('hash'),
    () => client.lpush('key', 'x').catch(() => {}),
    () => client.pipeline().get('key').get('none').exec(),
  ]
  const loop = async (count) => {
    for (let i = 0; i < count; i++) await works[i % works.length]()
  }
  const many = (count) => Promise.all(Array.from({ length: 100 }, () => loop(count / 100)))
  await many(100_000)
  const early = process.memoryUsage.rss()
  await many(OPERATIONS)
  const late = process.memoryUsage.rss()
  assert.ok(late - early < 64 * 2 ** 20, `${early} to ${late}`)
  if (OPERATIONS >= 1e6) console.log(`rss after 100000 operations ${early}, after ${OPERATIONS} more ${late}`)
  await client.close()
})
