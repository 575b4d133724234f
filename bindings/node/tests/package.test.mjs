// The package as it was installed: its examples, its README, and how it is built from its sources.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ask } from './servers.mjs'
import { server } from './shared.mjs'

const HERE = path.dirname(fileURLToPath(import.meta.url))
const INSTALLED = path.dirname(createRequire(import.meta.url).resolve('justredis'))
const { JR_ROOT: ROOT, JR_RELEASE: RELEASE } = process.env

function run(file, env) {
  return promisify(execFile)(process.execPath, [file], { env: { ...process.env, JR_URL: server.url, ...env } })
}

const example = (name) => path.join(HERE, '../examples', name)

test('hello', async () => {
  for (const name of ['hello.mjs', 'hello.cjs']) {
    const { stdout, stderr } = await run(example(name))
    assert.deepEqual([stdout, stderr], ['SET: OK\nGET: Hello, World!\n', ''])
    const failed = await run(example(name), { JR_URL: 'redis://127.0.0.1:1' }).catch((error) => error)
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /^ConnectionError: 127\.0\.0\.1:1: /)
  }
})

test('tour', async () => {
  await ask(server.port, 'FLUSHALL')
  const { stdout, stderr } = await run(example('tour.mjs'))
  assert.deepEqual(stdout.trim().split('\n'), [
    'Hello, World!',
    'Atomic Hello, World!',
    'Queued Hello, World!',
    'PubSub Hello, World!',
  ])
  assert.equal(stderr, '')
  assert.match(await ask(server.port, 'GET', 'jr:example:Counter'), /\r\n1\r\n/)
})

test('the README shows the example, and what it shows runs', async () => {
  const readme = fs.readFileSync(path.join(INSTALLED, 'README.md'), 'utf8')
  const shown = readme.split('<!-- examples/hello.mjs -->\n```js\n')[1].split('```')[0]
  assert.equal(shown, fs.readFileSync(example('hello.mjs'), 'utf8'))
})

test('all that is one has one version', () => {
  const manifest = fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8')
  const [, version] = /^version *= *"(.*)"/m.exec(manifest)
  const require = createRequire(import.meta.url)
  assert.equal(require('justredis/package.json').version, version)
  assert.equal(require('justredis').version, version)
})

test('all options of the library that are ours, too, are none of its', () => {
  const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')
  const options = [...readme.split('<!-- options -->')[1].matchAll(/^\| `(\w+)`/gm)].map((match) => match[1])
  assert.ok(options.includes('command_timeout'))
  for (const ours of ['buffers', 'dialer', 'credentials']) assert.ok(!options.includes(ours))
})

test('the package is built from its sources where it has no addon', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'justredis-'))
  const copy = path.join(folder, 'justredis')
  const build = (env) => run(path.join(copy, 'scripts/build.js'), env)
  const pc = [
    ...['Name: justredis', 'Description: built here', 'Version: 0'],
    ...[`Cflags: -I${path.join(ROOT, 'include')}`, `Libs: -L${RELEASE} -ljustredis`],
  ]
  try {
    fs.cpSync(INSTALLED, copy, { recursive: true })
    fs.rmSync(path.join(copy, 'prebuilds'), { recursive: true })
    fs.writeFileSync(path.join(folder, 'justredis.pc'), `${pc.join('\n')}\n`)
    const without = await build({ PKG_CONFIG_PATH: '/nowhere', PKG_CONFIG_LIBDIR: '/nowhere' }).catch((error) => error)
    assert.match(without.stderr, /pkg-config justredis/)
    await assert.rejects(run(path.join(copy, 'index.js')), /scripts\/build\.js/)
    await build({ PKG_CONFIG_PATH: folder })
    await run(path.join(copy, 'index.js'))
    fs.rmSync(path.join(copy, 'build'), { recursive: true })
    await build({
      JUSTREDIS_ARCHIVE: path.join(RELEASE, 'libjustredis.a'),
      JUSTREDIS_INCLUDE: path.join(ROOT, 'include'),
    })
    await run(path.join(copy, 'index.js'))
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
})
