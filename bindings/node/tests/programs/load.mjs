// load.mjs URL HOW [ROUNDS]: as much as goes of everything, until the process ends: by process.exit in a callback, while
// a client closes, or when so many workers that do the same were terminated. Without HOW: for ever.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Redis } from 'justredis'

const [url, how] = isMainThread ? process.argv.slice(2) : [workerData, undefined]
const client = new Redis(url, {
  credentials: async () => {
    await new Promise((resolve) => setTimeout(resolve, 1))
    return { password: 'any', validFor: 20 }
  },
})
const quiet = () => {}
let done = 0

async function loop(work) {
  for (;;) {
    await work().catch(quiet)
    done++
    if (done === 2000 && how === 'exit') process.exit(7)
    if (done === 2000 && how === 'close') client.close(10).then(() => process.exit(7))
    if (done === 500) parentPort?.postMessage('busy')
    if (client.link.handle === 0) return
  }
}

const keys = Array.from({ length: 50 }, (_, i) => `key:${i}`)
for (const key of keys) loop(() => client.set(key, 'x'.repeat(100)))
for (let i = 0; i < 20; i++) loop(() => client.mget(keys))
loop(() => client.multi().incr('n').hgetall('h').exec())
loop(() => client.blpop('nothing', 0, { timeout: 5 }))
loop(() => client.blpop('nothing', 0, { signal: AbortSignal.timeout(5) }))
loop(async () => {
  const other = new Redis(url)
  await other.ping()
  other.close().catch(quiet)
})
client
  .subscribe('channel')
  .then((subscription) => subscription.on('message', quiet))
  .catch(quiet)
loop(() => client.publish('channel', 'text'))

if (how === 'worker') {
  const rounds = Number(process.argv[4])
  for (let i = 0; i < rounds; i++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: url })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await worker.terminate()
  }
  process.exit(7)
}
