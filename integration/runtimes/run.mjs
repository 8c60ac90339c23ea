// The packed package on every runtime: `node integration/runtimes/run.mjs [node20 node22 node24 bun deno cjs browser]`.
import { runScript } from '../support/run-script.mjs'

process.exitCode = await runScript('integration/runtimes/run.ts', process.argv.slice(2))
