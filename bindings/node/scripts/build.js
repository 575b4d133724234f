#!/usr/bin/env node
'use strict'
// build.js [--prebuilt] [--install]: builds the addon with the C compiler (CC, CFLAGS, LDFLAGS) and the headers of the
// Node that runs this. Nothing is downloaded. The library goes into it: the archive that JUSTREDIS_ARCHIVE names (and
// JUSTREDIS_INCLUDE), the one of the repository, or what pkg-config finds.
//
// Without an option the addon is for this installation (build/), with --prebuilt for the package (prebuilds/PLATFORM).
// --install, as `npm install` calls it: nothing is to be done where the package has one that works here.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const BINDING = path.join(__dirname, '..')
const REPOSITORY = path.join(BINDING, '../..')
const PREBUILT = path.join(BINDING, 'prebuilds', `${process.platform}-${process.arch}`, 'justredis.node')

function fail(text) {
  console.error(`justredis: ${text}`)
  process.exit(1)
}

function works(addon) {
  try {
    execFileSync(process.execPath, ['-e', 'require(process.argv[1])', addon], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The folder of node_api.h, which Node's archives and images have beside the program. */
function headers() {
  const places = [
    process.env.npm_config_nodedir && path.join(process.env.npm_config_nodedir, 'include/node'),
    path.join(path.dirname(fs.realpathSync(process.execPath)), '../include/node'),
    path.join(path.dirname(process.execPath), '../include/node'),
    '/usr/include/nodejs/src',
    '/usr/include/node',
  ]
  const found = places.find((place) => place && fs.existsSync(path.join(place, 'node_api.h')))
  if (!found)
    fail('node_api.h is not beside this Node: install its headers, or name their root with npm_config_nodedir')
  const uv = ['', '/..', '/../deps/uv/include'].map((where) => found + where)
  return [found, ...uv.slice(1)].filter((place) => fs.existsSync(place))
}

function pkgConfig(...options) {
  try {
    const text = execFileSync('pkg-config', [...options, 'justredis'], { encoding: 'utf8', stdio: 'pipe' })
    return text.trim().split(/\s+/).filter(Boolean)
  } catch {
    return undefined
  }
}

/** What the compiler is told about the library. */
function library() {
  const archive = process.env.JUSTREDIS_ARCHIVE
  const inTree = path.join(REPOSITORY, 'include/justredis.h')
  if (archive) {
    const include = process.env.JUSTREDIS_INCLUDE ?? path.dirname(inTree)
    return { compile: [`-I${include}`], link: [archive, '-lpthread', '-ldl', '-lm', '-lrt', '-lutil', '-lgcc_s'] }
  }
  const compile = pkgConfig('--cflags')
  const link = pkgConfig('--libs')
  if (!compile || !link) {
    fail('the library is not installed (pkg-config justredis), and JUSTREDIS_ARCHIVE names no archive of it')
  }
  const folders = link.filter((word) => word.startsWith('-L')).map((word) => `-Wl,-rpath,${word.slice(2)}`)
  return { compile, link: [...link, ...folders] }
}

function words(name) {
  return (process.env[name] ?? '').split(/\s+/).filter(Boolean)
}

function build(output) {
  const { compile, link } = library()
  const sources = fs.readdirSync(path.join(BINDING, 'src')).filter((name) => name.endsWith('.c'))
  const command = [
    ...['-std=gnu11', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra'],
    ...words('CFLAGS'),
    ...headers().map((place) => `-I${place}`),
    ...compile,
    ...sources.sort().map((name) => path.join(BINDING, 'src', name)),
    ...['-o', output],
    ...link,
    // The library's names stay inside; its threads outlive a dlclose, so that it is never unloaded.
    ...['-Wl,--exclude-libs,ALL', '-Wl,-z,nodelete', '-Wl,--gc-sections'],
    ...(process.env.CFLAGS === undefined ? ['-Wl,-s'] : []),
    ...words('LDFLAGS'),
  ]
  fs.mkdirSync(path.dirname(output), { recursive: true })
  try {
    execFileSync(process.env.CC || 'cc', command, { stdio: 'inherit' })
  } catch (error) {
    fail(`the addon could not be built: ${error.message.split('\n')[0]}`)
  }
  if (process.env.CFLAGS === undefined && !works(output)) fail(`${output} was built, but cannot be loaded`)
}

if (process.argv.includes('--install') && works(PREBUILT)) process.exit(0)
build(process.argv.includes('--prebuilt') ? PREBUILT : path.join(BINDING, 'build/justredis.node'))
