'use strict'
// The addon: the one that `npm install` built here, or the one that came with the package for this kind of machine.

const path = require('node:path')

const ROOT = path.join(__dirname, '..')

function load() {
  const kind = `${process.platform}-${process.arch}`
  const places = [path.join(ROOT, 'build', 'justredis.node'), path.join(ROOT, 'prebuilds', kind, 'justredis.node')]
  const reasons = []
  for (const place of places) {
    try {
      return require(place)
    } catch (error) {
      reasons.push(error.message)
    }
  }
  const hint = `there is no addon of justredis for ${kind}; to build it: node ${ROOT}/scripts/build.js`
  throw new Error([hint, ...reasons].join('\n  '))
}

module.exports = load()
