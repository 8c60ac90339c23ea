/** Which servers the suite talks to: found by asking them, not by a variable, so that anybody's LocalStack is one. */
import { readFileSync } from 'node:fs'

/** 'in-process': those of s3-cse/testing. 'unknown': any other, of which nothing is expected but what S3 and KMS do. */
export type ServerKind = 'in-process' | 'localstack' | 'versitygw' | 'moto' | 'unknown'

export interface Server {
  readonly kind: ServerKind
  /** As its makers write it. */
  readonly name: string
  readonly version: string
  readonly endpoint: string
  /** Whether it was started for this run, and is thrown away after it. */
  readonly own: boolean
}

/** What the runner says of the servers that it started itself, in S3_CSE_CONTRACT_STARTED, by endpoint. */
export type Started = Readonly<Record<string, { readonly kind: ServerKind; readonly version: string }>>

const NAMES: Readonly<Record<ServerKind, string>> = {
  'in-process': 's3-cse/testing',
  localstack: 'LocalStack',
  versitygw: 'versitygw',
  moto: 'moto',
  unknown: 'unknown',
}

/** The server at the endpoint in the environment variable `variable`. */
export async function askServer(variable: 'S3_ENDPOINT' | 'KMS_ENDPOINT'): Promise<Server> {
  const endpoint = process.env[variable]?.replace(/\/+$/, '')
  if (endpoint === undefined || endpoint === '') {
    throw new Error(`${variable} is not set: run integration/contract/run.mjs, which starts what is missing`)
  }
  const started = (JSON.parse(process.env.S3_CSE_CONTRACT_STARTED ?? '{}') as Started)[endpoint]
  const asked = started?.kind === 'in-process' ? started : await ask(variable, endpoint)
  if (started !== undefined && started.kind !== asked.kind) {
    throw new Error(`${endpoint} was started as ${started.kind}, and looks like ${asked.kind}`)
  }
  const version = started?.version ?? asked.version
  return { kind: asked.kind, name: NAMES[asked.kind], version, endpoint, own: started !== undefined }
}

/** Milliseconds until a server that says nothing is none. */
const PATIENCE = 10_000

async function ask(variable: string, endpoint: string): Promise<{ kind: ServerKind; version: string }> {
  const get = async (path: string): Promise<Response> => {
    try {
      return await fetch(`${endpoint}${path}`, { signal: AbortSignal.timeout(PATIENCE) })
    } catch (error) {
      const { message, cause } = error as Error
      throw new Error(`${variable}=${endpoint}: nobody answers (${cause instanceof Error ? cause.message : message})`, {
        cause: error,
      })
    }
  }
  const health = await get('/_localstack/health')
  const text = await health.text()
  if (health.headers.get('server')?.startsWith('VERSITYGW') === true) return { kind: 'versitygw', version: '' }
  if (health.ok && text.includes('"services"')) {
    return { kind: 'localstack', version: (JSON.parse(text) as { version?: string }).version ?? '' }
  }
  const data = await get('/moto-api/data.json')
  if (data.ok && (await data.text()).startsWith('{')) return { kind: 'moto', version: '' }
  return { kind: 'unknown', version: '' }
}

export const packageVersion: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
