import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startKms, startS3 } from '../../src/testing/index.js'
import { startServer } from '../support/servers.js'
import type { ServerName } from '../support/servers.js'
import { suiteNames } from './suites.js'
import { packageVersion } from './support-servers.js'
import type { ServerKind, Started } from './support-servers.js'

/** Which servers of others take part; what is missing of the two is in-process. */
const TARGETS = {
  'in-process': {},
  localstack: { s3: 'localstack', kms: 'localstack' },
  versitygw: { s3: 'versitygw' },
  moto: { kms: 'moto' },
} as const satisfies Record<string, { s3?: ServerName; kms?: ServerName }>
type TargetName = keyof typeof TARGETS

const accessKeyId = process.env.AWS_ACCESS_KEY_ID ?? 'test'
const secretAccessKey = process.env.AWS_SECRET_ACCESS_KEY ?? 'testtesttest'

/** Endpoints of one run, and what is known of the servers that were started for it. */
interface Pair {
  s3: string
  kms: string
  started: Record<string, Started[string]>
}

const ending = new AbortController()
let suite: ChildProcess | undefined

/** The exit code. */
export async function main(args: readonly string[]): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      ending.abort()
      suite?.kill('SIGTERM')
    })
  }
  const isTarget = (name: string): name is TargetName => Object.hasOwn(TARGETS, name)
  const nodeOptions = args.filter((each) => each.startsWith('--'))
  const suites = args.filter((each) => !each.startsWith('--') && !isTarget(each))
  const unknown = suites.filter((name) => !suiteNames().includes(name))
  if (unknown.length > 0) {
    const targets = Object.keys(TARGETS).join(', ')
    console.error(
      `no target or suite is called ${unknown.join(', ')}; targets: ${targets}; suites: ${suiteNames().join(', ')}`,
    )
    return 2
  }
  const { S3_ENDPOINT: s3, KMS_ENDPOINT: kms } = process.env
  const named = args.filter(isTarget)
  const given = Boolean(s3) || Boolean(kms)
  if (given && named.length > 0) throw new Error(`endpoints are given by the environment, not ${named.join(', ')}`)
  const targets = named.length > 0 ? named : (Object.keys(TARGETS) as TargetName[])
  const runs = given
    ? [() => against('the given servers', { ...(s3 ? { s3 } : {}), ...(kms ? { kms } : {}) }, nodeOptions, suites)]
    : targets.map((name) => () => againstTarget(name, nodeOptions, suites))
  const failed: string[] = []
  for (const run of runs) {
    if (ending.signal.aborted) return 130
    failed.push(...(await run()))
  }
  if (failed.length > 0) console.error(`# contract failed: ${failed.join(', ')}`)
  return failed.length > 0 ? 1 : 0
}

async function againstTarget(
  name: TargetName,
  nodeOptions: readonly string[],
  suites: readonly string[],
): Promise<string[]> {
  const { s3, kms }: { s3?: ServerName; kms?: ServerName } = TARGETS[name]
  const other = s3 ?? kms
  if (other === undefined) return against(name, {}, nodeOptions, suites)
  const server = await startServer(other)
  const { endpoint, version } = server
  try {
    if (ending.signal.aborted) return [name]
    const started = { [endpoint]: { kind: other satisfies ServerKind, version } }
    const endpoints = { ...(s3 && { s3: endpoint }), ...(kms && { kms: endpoint }) }
    return await against(name, { ...endpoints, started }, nodeOptions, suites)
  } finally {
    await server.stop()
  }
}

/** The name, if the run failed. */
async function against(
  name: string,
  given: Partial<Pair>,
  nodeOptions: readonly string[],
  suites: readonly string[],
): Promise<string[]> {
  const own = { kind: 'in-process', version: packageVersion } as const
  const s3 = given.s3 === undefined ? await startS3({ credentials: { accessKeyId, secretAccessKey } }) : undefined
  const kms = given.kms === undefined ? await startKms() : undefined
  const started = { ...given.started }
  for (const server of [s3, kms]) if (server !== undefined) started[server.endpoint] = own
  const began = Date.now()
  console.log(`\n# contract: ${name}`)
  try {
    const env = {
      S3_ENDPOINT: s3?.endpoint ?? given.s3,
      KMS_ENDPOINT: kms?.endpoint ?? given.kms,
      S3_CSE_CONTRACT_STARTED: JSON.stringify(started satisfies Started),
    }
    const code = await runSuites(env, nodeOptions, suites)
    const seconds = Math.round((Date.now() - began) / 1000)
    console.log(`# contract: ${name} ${code === 0 ? 'passed' : 'failed'} after ${seconds} s`)
    return code === 0 ? [] : [name]
  } finally {
    await s3?.close()
    await kms?.close()
  }
}

function runSuites(env: NodeJS.ProcessEnv, nodeOptions: readonly string[], suites: readonly string[]): Promise<number> {
  const all = fileURLToPath(new URL('all.ts', import.meta.url))
  const common = ['--import', 'tsx', '--conditions', 's3-cse-source', '--test-reporter=spec']
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...common, ...nodeOptions, all, ...suites], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, ...env },
      stdio: 'inherit',
    })
    suite = child
    child.on('error', reject)
    child.on('close', (code) => {
      suite = undefined
      resolve(code ?? 1)
    })
  })
}
