// Tests that show what every binding can do: see tests/bindings/capabilities.toml.

import fs from 'node:fs'
import test from 'node:test'

/** A test that shows a capability; `topology` is where, if that is one of those in which it is there everywhere. */
export function shows(capability, title, run, topology) {
  test(title, { timeout: 120_000 }, async (context) => {
    let result = 'FAILED'
    try {
      await run(context)
      result = 'ok'
    } finally {
      const file = process.env.JR_CAPABILITIES
      const fields = ['node', capability, result].concat(topology ?? [])
      if (file) fs.appendFileSync(file, `${fields.join('\t')}\n`)
    }
  })
}
