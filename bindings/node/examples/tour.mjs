// Everything on one client: commands, a transaction, a blocking command, a subscription, a watched counter.
import { Redis, TransactionError } from 'justredis'

const redis = new Redis(process.env.JR_URL ?? 'redis://127.0.0.1:6379')

// A SET whose answer nobody waits for, and a GET behind it on the same connection.
const set = redis.set('jr:example:Hello', 'World!')
console.log('Hello,', await redis.get('jr:example:Hello'))
await set

// Both together, or neither.
const [, hello] = await redis.multi().set('jr:example:Hello', 'World!').get('jr:example:Hello').exec()
console.log('Atomic Hello,', hello)

// Waits at the server, on a connection of its own, while the shared one goes on.
const waiting = redis.blpop('jr:example:queue', 0)
await redis.rpush('jr:example:queue', 'Hello, World!')
console.log('Queued', (await waiting)?.[1])

// A subscription: an iteration gives the messages.
const subscription = await redis.subscribe('jr:example:Hello')
await redis.publish('jr:example:Hello', 'World!')
for await (const message of subscription) {
  console.log('PubSub Hello,', message.data)
  break
}
await subscription.close()

// Reads a counter and writes it back, unless somebody else changed it meanwhile.
const lease = await redis.watch('jr:example:Counter')
try {
  const value = Number(await lease.get('jr:example:Counter'))
  await lease
    .multi()
    .set('jr:example:Counter', value + 1)
    .exec()
} catch (error) {
  if (!(error instanceof TransactionError)) throw error
  console.log('somebody else was faster')
} finally {
  lease.release()
}

await redis.close()
