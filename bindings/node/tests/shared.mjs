// What the tests of one file share, which is gone when they are: a server, and a client.

import { after, beforeEach } from 'node:test'
import { Redis } from 'justredis'
import { Server } from './servers.mjs'

const clients = []

export const server = await Server.start()

after(async () => {
  for (const client of clients) await client.close()
  await server.end()
})

/** A client of that server, which is empty at the beginning of each test. */
export function clientOfEmpty() {
  const client = new Redis(server.url)
  clients.push(client)
  beforeEach(() => client.flushall())
  return client
}
