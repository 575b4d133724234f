// Servers for the tests: on free ports, in folders of their own, gone when the test run is, however that ends.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BINARY = process.env.JR_TEST_SERVER ?? 'redis-server'
// The kernel ends them even when this process is killed outright.
const GUARD = fs.existsSync('/usr/bin/setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : []

/** Waits until something holds, and gives what it is. */
export async function until(condition, seconds = 30) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error('it has not come to hold')
    await sleep(10)
  }
}

/** The first bytes that a server answers to an inline command. */
export function ask(port, ...words) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    const end = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(2000, () => end(''))
    socket.on('error', () => end(''))
    socket.on('data', (data) => end(data.toString()))
    socket.write(`${words.join(' ')}\r\n`)
  })
}

/** One server. It can be stopped and started again on its port. */
export class Server {
  static async start(options = [], { configuration, tls = false } = {}) {
    const server = new Server(options.map(String), configuration, tls)
    for (let attempt = 0; attempt < 20; attempt++) {
      // Below the range from which the kernel takes the ports of outgoing connections.
      server.port = 10000 + Math.floor(Math.random() * 11000) * 2
      server.tlsPort = server.port + 1
      server.busPort = 32000 + Math.floor(Math.random() * 700)
      if (await server.start()) return server
    }
    throw new Error(fs.readFileSync(path.join(server.folder, 'log'), 'utf8'))
  }

  constructor(options, configuration, tls) {
    Object.assign(this, { options, configuration, tls })
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'justredis-'))
  }

  async start() {
    const file = path.join(this.folder, 'configuration')
    const words = ['--port', this.port, '--bind', '127.0.0.1', '--daemonize', 'no', '--dir', this.folder]
    if (this.configuration !== undefined) {
      fs.writeFileSync(file, this.configuration)
      words.unshift(file)
    }
    if (!this.options.includes('--sentinel')) {
      words.push('--save', '', '--unixsocket', path.join(this.folder, 'socket'), '--repl-diskless-sync-delay', '0')
      words.push('--enable-debug-command', 'local')
    }
    if (this.options.includes('--cluster-enabled')) words.push('--cluster-port', this.busPort)
    if (this.tls) words.push('--tls-port', this.tlsPort)
    const log = fs.openSync(path.join(this.folder, 'log'), 'w')
    const [program, ...before] = [...GUARD, BINARY]
    this.process = spawn(program, [...before, ...words.map(String), ...this.options], { stdio: ['ignore', log, log] })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => this.process.once('exit', resolve))
    // It holds up nobody who forgets it: the guard ends it.
    this.process.unref()
    while (this.process.exitCode === null) {
      if ((await ask(this.port, 'INFO', 'server')).includes(`process_id:${this.process.pid}\r`)) return true
      await sleep(20)
    }
    return false
  }

  async stop() {
    this.process.ref()
    this.process.kill('SIGKILL')
    await this.ended
  }

  async end() {
    await this.stop()
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  get address() {
    return `127.0.0.1:${this.port}`
  }

  get url() {
    return `redis://${this.address}`
  }
}

/** Three nodes, each with a third of the slots. */
export class Cluster {
  static async start() {
    const cluster = new Cluster()
    cluster.servers = []
    for (let index = 0; index < 3; index++) {
      const server = await Server.start(['--cluster-enabled', 'yes'])
      const { port, busPort } = server
      cluster.servers.push(server)
      const [first, last] = [Math.floor((index * 16384) / 3), Math.floor(((index + 1) * 16384) / 3) - 1]
      await until(async () => (await ask(port, 'CLUSTER ADDSLOTSRANGE', first, last)).includes('+OK'))
      await until(async () => (await ask(port, 'CLUSTER SET-CONFIG-EPOCH', index + 1)).includes('+OK'))
      if (index > 0) {
        const one = cluster.servers[0].port
        await until(async () => (await ask(one, 'CLUSTER MEET 127.0.0.1', port, busPort)).includes('+OK'))
      }
    }
    for (const { port } of cluster.servers) {
      await until(async () => (await ask(port, 'CLUSTER INFO')).includes('cluster_state:ok'))
      await until(async () => (await ask(port, 'CLUSTER INFO')).includes('cluster_known_nodes:3'))
    }
    return cluster
  }

  get url() {
    return `redis://${this.servers.map((server) => server.address).join(',')}?topology=cluster`
  }

  async end() {
    for (const server of this.servers) await server.end()
  }
}

/** A primary with a replica, and three sentinels that watch them. */
export class Watched {
  static async start() {
    const watched = new Watched()
    watched.primary = await Server.start()
    watched.replica = await Server.start(['--replicaof', '127.0.0.1', watched.primary.port])
    const configuration =
      `sentinel monitor primary 127.0.0.1 ${watched.primary.port} 2\n` +
      'sentinel down-after-milliseconds primary 1000\nsentinel failover-timeout primary 3000\n'
    watched.sentinels = []
    for (let i = 0; i < 3; i++) watched.sentinels.push(await Server.start(['--sentinel'], { configuration }))
    for (const { port } of watched.sentinels) {
      await until(async () => (await ask(port, 'SENTINEL REPLICAS primary')).startsWith('*1'))
      await until(async () => (await ask(port, 'SENTINEL SENTINELS primary')).startsWith('*2'))
      await until(async () => (await ask(port, 'SENTINEL CKQUORUM primary')).includes('+OK'))
    }
    return watched
  }

  get url() {
    return `redis-sentinel://${this.sentinels.map((server) => server.address).join(',')}/primary`
  }

  async end() {
    for (const server of [...this.sentinels, this.replica, this.primary]) await server.end()
  }
}

/** The folder of the certificates for tests, which scripts/certificates of the repository makes. */
export function certificates() {
  return execFileSync(path.join(process.env.JR_ROOT, 'scripts/certificates'), { encoding: 'utf8' }).trim()
}

export function tlsServer(folder) {
  const file = (name) => path.join(folder, name)
  const options = ['--tls-cert-file', file('server.pem'), '--tls-key-file', file('server.key')]
  return Server.start([...options, '--tls-ca-cert-file', file('ca.pem'), '--tls-auth-clients', 'no'], { tls: true })
}
