// ends.mjs URL WHAT: does something and closes nothing; the process ends by itself when that is done.

import { Redis } from 'justredis'

const client = new Redis(process.argv[2])
const programs = {
  nothing: () => {},
  command: async () => console.log(await client.set('key', 'value')),
  blocking: async () => console.log(await client.blpop('nothing', 0.05)),
  subscription: async () => {
    const subscription = await client.subscribe('a')
    await client.publish('a', 'text')
    console.log((await subscription.next()).value.data)
    subscription.unref()
  },
  held: async () => {
    const subscription = await client.subscribe('held')
    console.log('subscribed')
    subscription.on('message', ({ data }) => {
      console.log(data)
      subscription.close()
    })
  },
  throwing: async () => {
    process.once('uncaughtException', (error) => console.log(error.message))
    const subscription = await client.subscribe('a')
    subscription.once('message', () => {
      throw new Error('by a listener')
    })
    await client.publish('a', 'x')
    await client.publish('a', 'y')
    console.log((await subscription.next()).value.data)
    await subscription.close()
  },
  events: async () => {
    client.events().on('message', () => {})
    console.log(await client.ping())
  },
  closed: async () => {
    const answer = client.get('key')
    console.log(await client.close())
    await answer
  },
  interrupted: async () => {
    const controller = new AbortController()
    process.once('SIGINT', () => controller.abort())
    const waiting = client.blpop('nothing', 0, { signal: controller.signal, timeout: 60_000 })
    console.log('waits')
    await waiting.catch((error) => console.log(error.name, error.outcome))
  },
}
await programs[process.argv[3]]()
