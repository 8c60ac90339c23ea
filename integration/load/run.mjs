// Load and faults against a real server: node integration/load/run.mjs [--quick] [--only small|large|soak] [--seed <text>]
import { runScript } from '../support/run-script.mjs'

process.exitCode = await runScript('integration/load/run.ts', process.argv.slice(2), ['--expose-gc'])
