// Objects both ways with the clients of others: node integration/interop/run.mjs [peer…], by names of files in peers/.
import { runScript } from '../support/run-script.mjs'

process.exitCode = await runScript('integration/interop/run.ts', process.argv.slice(2))
