// One work of one client of Node; prints a line of JSON: operations, seconds, and CPU seconds of this process.
//
// node_works.mjs PORT CLIENT WORK AT_ONCE COUNT

const [port, client, work, atOnce, count] = process.argv.slice(2)

// Gives get(), lrange(), and pipeline(n), which gets the key so often.
const clients = {
  async justredis() {
    const { Redis } = await import('justredis')
    const redis = new Redis(`redis://127.0.0.1:${port}`)
    const pipeline = (n) => {
      const gathered = redis.pipeline()
      for (let i = 0; i < n; i++) gathered.get('key')
      return gathered.exec()
    }
    const lrange = () => redis.lrange('list', 0, -1)
    return { get: () => redis.get('key'), lrange, pipeline, end: () => redis.close() }
  },
  async ioredis() {
    const { Redis } = await import('ioredis')
    const redis = new Redis(Number(port), '127.0.0.1', { enableAutoPipelining: true })
    const pipeline = (n) => {
      const gathered = redis.pipeline()
      for (let i = 0; i < n; i++) gathered.get('key')
      return gathered.exec()
    }
    const lrange = () => redis.lrange('list', 0, -1)
    return { get: () => redis.get('key'), lrange, pipeline, end: () => redis.quit() }
  },
  async 'node-redis'() {
    const { createClient } = await import('redis')
    const redis = createClient({ url: `redis://127.0.0.1:${port}` })
    await redis.connect()
    const pipeline = (n) => {
      const gathered = redis.multi()
      for (let i = 0; i < n; i++) gathered.get('key')
      return gathered.execAsPipeline()
    }
    const lrange = () => redis.lRange('list', 0, -1)
    return { get: () => redis.get('key'), lrange, pipeline, end: () => redis.close() }
  },
}

const calls = await clients[client]()
const size = Number(atOnce)
const one = work === 'pipeline' ? () => calls.pipeline(size) : calls[work]
const tasks = work === 'pipeline' ? 1 : size

async function task(times) {
  for (let i = 0; i < times; i++) await one()
}

const each = Math.max(1, Math.floor(Number(count) / size))
const all = (times) => Promise.all(Array.from({ length: tasks }, () => task(times)))
await all(Math.ceil(each / 10))
const before = process.cpuUsage()
const started = process.hrtime.bigint()
await all(each)
const seconds = Number(process.hrtime.bigint() - started) / 1e9
const used = process.cpuUsage(before)
console.log(JSON.stringify({ count: each * size, seconds, cpu: (used.user + used.system) / 1e6 }))
await calls.end()
