// Tests that show what every binding can do: see tests/bindings/capabilities.toml.

import fs from 'node:fs'
import test from 'node:test'

export function shows(capability, title, run) {
  test(title, { timeout: 120_000 }, async (context) => {
    let result = 'FAILED'
    try {
      await run(context)
      result = 'ok'
    } finally {
      const file = process.env.JR_CAPABILITIES
      if (file) fs.appendFileSync(file, `node\t${capability}\t${result}\n`)
    }
  })
}
