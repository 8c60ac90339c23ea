import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { PeerAnswer, PeerRequest } from './protocol.js'

/** How a program on another client is started. */
export interface PeerCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Endpoints {
  readonly s3: string
  readonly kms: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

export type Unnumbered<R> = R extends unknown ? Omit<R, 'id'> : never

export interface PeerProcess {
  /** One request at a time: `session` lets callers in one after the other. Rejects if the program ends or is silent for `patience`. */
  ask(request: Unnumbered<PeerRequest>): Promise<PeerAnswer>
  close(): Promise<void>
}

/** Milliseconds for one request. */
const PATIENCE = 120_000

export function startPeer(peer: PeerCommand, endpoints: Endpoints): PeerProcess {
  const child = spawn(peer.program, peer.args, {
    cwd: peer.cwd,
    env: {
      ...process.env,
      S3_ENDPOINT: endpoints.s3,
      KMS_ENDPOINT: endpoints.kms,
      AWS_REGION: endpoints.region,
      AWS_DEFAULT_REGION: endpoints.region,
      AWS_ACCESS_KEY_ID: endpoints.accessKeyId,
      AWS_SECRET_ACCESS_KEY: endpoints.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...peer.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let errors = ''
  let waiting: { resolve(answer: PeerAnswer): void; reject(error: Error): void; id: number } | undefined
  const fail = (what: string): void => {
    waiting?.reject(new Error(`${peer.program} ${what}:\n${errors.trim().split('\n').slice(-20).join('\n')}`))
    waiting = undefined
  }
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-20_000)))
  createInterface({ input: child.stdout }).on('line', (line) => {
    let answer: PeerAnswer
    try {
      answer = JSON.parse(line) as PeerAnswer
    } catch {
      fail(`printed what is no answer: ${line}`)
      return
    }
    if (answer.id !== waiting?.id) {
      fail(`answered ${answer.id} instead of ${String(waiting?.id)}`)
      return
    }
    waiting.resolve(answer)
    waiting = undefined
  })
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      fail(`could not be started (${error.message})`)
      resolve()
    })
    child.on('close', (code, signal) => {
      fail(`ended with ${signal ?? String(code)}`)
      resolve()
    })
  })
  // A program that has ended says so by `close`; writing to it is not a second failure.
  child.stdin.on('error', () => undefined)

  let id = 0
  const send = (request: Unnumbered<PeerRequest>): Promise<PeerAnswer> =>
    new Promise((resolve, reject) => {
      if (child.exitCode !== null || child.signalCode !== null) {
        reject(new Error(`${peer.program} has ended:\n${errors}`))
        return
      }
      id += 1
      const timer = setTimeout(() => fail(`said nothing for ${PATIENCE / 1000} s`), PATIENCE)
      waiting = {
        id,
        resolve: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      child.stdin.write(`${JSON.stringify({ id, ...request })}\n`)
    })
  return {
    ask: send,
    async close() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
      await ended
      clearTimeout(timer)
    },
  }
}
