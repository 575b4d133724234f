// What the declarations say; checked by bindings/node/lint, not run.
import { type Message, Redis, ReplyError } from 'justredis'

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
function is<_Expected extends true>(): void {}

const redis = new Redis('redis://localhost', { commandTimeout: 250, cacheBytes: '1MiB' })
const buffers = redis.with({ buffers: true })

const text = await redis.get('key')
is<Same<typeof text, string | null>>()
const bytes = await buffers.get('key')
is<Same<typeof bytes, Buffer | null>>()
const again = await buffers.with({ buffers: false, cached: true }).get('key')
is<Same<typeof again, string | null>>()
const alsoBytes = await new Redis({ endpoints: [{ host: 'a', port: 1 }], buffers: true }).hgetall('key')
is<Same<typeof alsoBytes, Record<string, Buffer>>>()
const members = await redis.smembers('key')
is<Same<typeof members, Set<string>>>()

await redis.set('key', 'value', 'EX', 10, { timeout: 5, signal: AbortSignal.timeout(5) })
await redis.del(['a', 'b'], 'c')
await redis.lpush('key', 1, 2n, new Uint8Array(3), ['x'])
await redis.jsonGet('key', '$')
const size = await redis.command<number>(['DBSIZE'], { route: 'random' })
is<Same<typeof size, number>>()

const [ok, count] = await redis.pipeline().set('a', 1).incr('a').exec()
is<Same<typeof count, number | ReplyError>>()
if (!(count instanceof ReplyError)) count.toFixed()
const [, thrown] = await redis.multi().set('a', 1).incr('a').exec({ throw: true })
is<Same<typeof thrown, number>>()
const loop = redis.pipeline()
for (let i = 0; i < 3; i++) loop.incr('x')
const all = await loop.exec()
all.length satisfies number

const subscription = await buffers.subscribe(['a', 'b'], { maxUnread: 5 })
for await (const message of subscription) message satisfies Message<Buffer>
subscription.on('message', (message) => message.data.byteLength).on('gap', () => {})
redis.events().on('message', ({ event, address }) => `${event} ${address}`)
const lease = await redis.watch('a')
await lease.multi().exec()
lease.release()
redis.stats().nodes[0].address.length satisfies number

// @ts-expect-error there is no such option
await redis.get('key', { timeuot: 5 })
// @ts-expect-error there is no such command
await redis.gett('key')
// @ts-expect-error no word
await redis.get(null)
// @ts-expect-error no words
await redis.get()

console.log(ok)
