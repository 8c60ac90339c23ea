import { KMSClient } from '@aws-sdk/client-kms'
import { S3Client } from '@aws-sdk/client-s3'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startS3 } from 's3-cse/testing'
import { whenTold } from '../support/ending.js'
import { deleteResult, recordResult } from '../support/results.js'
import { startServer } from '../support/servers.js'
import { meetFiles } from './crypt4gh/meet.js'
import type { Crypt4ghPeer } from './crypt4gh/peer.js'
import { meetMessages } from './esdk/meet.js'
import type { MessagePeer } from './esdk/peer.js'
import { makeInputs } from './inputs.js'
import { meet } from './matrix.js'
import type { Place } from './matrix.js'
import { textOf } from './ours.js'
import type { Peer } from './peer.js'
import type { PeerCommand } from './peer-process.js'
import type { Outcome } from './tally.js'

type AnyPeer = Peer | MessagePeer | Crypt4ghPeer

const AT_A_TIME = 2
const UNAVAILABLE = 'it can be installed'
const MESSAGES_TRIED = 'messages both ways, suites, keyrings, contexts, ranges, refusals'
const FILES_TRIED = 'files both ways, recipients, ranges, re-encryption, edit lists, key files, refusals'

const args = process.argv.slice(2)
const wanted = args.filter((arg) => !arg.startsWith('--'))
const isVerbose = args.includes('--verbose')

const directory = fileURLToPath(new URL('peers/', import.meta.url))
const files = (await readdir(directory)).filter((name) => name.endsWith('.ts')).sort()
const names = files.map((name) => name.slice(0, -'.ts'.length))
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0 || names.length === 0) {
  console.error(`no peer is called ${unknown.join(', ')}: ${names.join(', ')}`)
  process.exit(2)
}

const { S3_ENDPOINT, KMS_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = process.env
const server = S3_ENDPOINT !== undefined && KMS_ENDPOINT !== undefined ? undefined : await startServer('localstack')
const temporary = await mkdtemp(path.join(tmpdir(), 's3-cse-interop-'))
whenTold(() => rm(temporary, { recursive: true, force: true }))
const failures: string[] = []
try {
  const credentials =
    server === undefined || (AWS_ACCESS_KEY_ID !== undefined && AWS_SECRET_ACCESS_KEY !== undefined)
      ? { accessKeyId: AWS_ACCESS_KEY_ID ?? 'test', secretAccessKey: AWS_SECRET_ACCESS_KEY ?? 'testtesttest' }
      : server.clientConfig.credentials
  const config = { region: AWS_REGION ?? 'us-east-1', forcePathStyle: true, credentials }
  const [s3Endpoint, kmsEndpoint] = [S3_ENDPOINT ?? server?.endpoint ?? '', KMS_ENDPOINT ?? server?.endpoint ?? '']
  const s3 = new S3Client({ ...config, endpoint: s3Endpoint })
  const inProcess = await startS3()
  const strict = new S3Client(inProcess.clientConfig)
  const kms = new KMSClient({ ...config, endpoint: kmsEndpoint })
  const endpoints = { s3: s3Endpoint, kms: kmsEndpoint, ...credentials, region: config.region }
  const inputs = await makeInputs(temporary, kms)
  const run = Date.now().toString(36)
  const rest = names.filter((name) => wanted.length === 0 || wanted.includes(name))
  const worker = async (): Promise<void> => {
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
      const id = name
      const log = (line: string): void => (isVerbose ? console.log(`${id}: ${line}`) : undefined)
      const place = { ours: { s3, strict, kms }, inputs, endpoints, bucket: `interop-${run}-${name}`, log }
      await tryPeer(name, place).catch((error: unknown) => failures.push(`${id}: ${textOf(error)}`))
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  s3.destroy()
  strict.destroy()
  await inProcess.close()
  kms.destroy()
} finally {
  await server?.stop()
  await rm(temporary, { recursive: true, force: true })
}
for (const failure of failures) console.error(`failed: ${failure}`)
process.exitCode = failures.length > 0 ? 1 : 0

async function tryPeer(name: string, place: Place): Promise<void> {
  const { peer } = (await import(pathToFileURL(path.join(directory, `${name}.ts`)).href)) as {
    peer: AnyPeer
  }
  const { subject, pinned } = peer
  const tried = 'messages' in peer ? { tried: MESSAGES_TRIED } : 'crypt4gh' in peer ? { tried: FILES_TRIED } : {}
  // What fails leaves no result, not even that of an earlier run.
  deleteResult('interop', subject)
  const command = await peer.install()
  if ('unavailable' in command) {
    const version = typeof peer.version === 'string' ? peer.version : '-'
    const cell = { name: UNAVAILABLE, outcome: 'departure', reason: command.unavailable } as const
    recordResult({ part: 'interop', subject, version, pinned, cells: [cell], ...tried })
    console.log(`${name}: not available: ${command.unavailable}`)
    return
  }
  const version = typeof peer.version === 'string' ? peer.version : await peer.version()
  const started = Date.now()
  const { cells, failures: failed, trials } = await meetPeer(peer, command, place)
  failures.push(...failed.map((failure) => `${name}: ${failure}`))
  const departures = cells.filter(({ outcome }) => outcome === 'departure').length
  const seconds = Math.round((Date.now() - started) / 1000)
  console.log(
    `${name}: ${subject} ${version}: ${trials} trials in ${cells.length} rows, ${departures} of them departures; ${failed.length} failed; ${seconds} s`,
  )
  if (failed.length === 0) recordResult({ part: 'interop', subject, version, pinned, cells, ...tried })
}

function meetPeer(peer: AnyPeer, command: PeerCommand, place: Place): Promise<Outcome> {
  if ('messages' in peer) return meetMessages(peer, command, place)
  return 'crypt4gh' in peer ? meetFiles(peer, command, place) : meet(peer, command, place)
}
