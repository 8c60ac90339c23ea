import { Agent, createServer, request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { finished } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import { decider, FAULTS, NO_FAULTS } from './faults.js'
import type { Decision, Fault, FaultPlan } from './faults.js'

export interface ProxyCounts {
  readonly requests: number
  readonly faults: Readonly<Record<Fault, number>>
  /** Connections to the server behind that failed without a fault from here. */
  readonly upstreamErrors: number
  /** Connections of clients: now, and the most at a time. */
  readonly connections: number
  readonly mostConnections: number
  /** Requests that the server behind is working on. */
  readonly upstream: number
}

export interface FaultProxy {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string
  /** From now on; the counts begin at 0. */
  plan(plan: FaultPlan): void
  counts(): ProxyCounts
  close(): Promise<void>
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'expect', 'proxy-connection', 'te', 'trailer', 'upgrade'])
const SLOW_DOWN =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
/** A body up to here is read before it is refused, so that the answer is seen; of a longer one the client may see a reset. */
const READ_BEFORE_REFUSAL = 1024 * 1024

/**
 * An HTTP proxy on a free port of the loopback interface that passes requests on unchanged (Host and signature as well),
 * but for what the plan does to them. A write of which the server has all is brought to its end there although its client
 * has gone, and later writes to the same key wait for that: they take effect in the order in which they came, so that what
 * an object may hold is known.
 */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  const turns = new Map<string, Promise<void>>()
  let decide = decider(NO_FAULTS)
  let requests = 0
  let upstreamErrors = 0
  let upstream = 0
  let mostConnections = 0
  let faults = zeroes()

  async function handle(req: IncomingMessage, res: ServerResponse, expects: boolean): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '/', target)
    const method = req.method ?? 'GET'
    const part = searchParams.get('partNumber')
    requests += 1
    const decision = decide(`${method} ${pathname} ${part ?? ''} ${req.headers.range ?? ''}`)
    if (method === 'GET' || method === 'HEAD' || part !== null) {
      await pass(req, res, expects, decision)
      return
    }
    const turn = (turns.get(pathname) ?? Promise.resolve()).then(() => pass(req, res, expects, decision))
    const over = turn.catch(() => undefined)
    turns.set(pathname, over)
    await over
    if (turns.get(pathname) === over) turns.delete(pathname)
  }

  /** Resolves when the server is done with it, or will not get it. */
  async function pass(req: IncomingMessage, res: ServerResponse, expects: boolean, decision: Decision): Promise<void> {
    const { socket } = req
    const method = req.method ?? 'GET'
    const { latency, fault, place } = decision
    if (latency > 0) {
      faults.latency += 1
      await setTimeout(latency)
    }
    if (socket.destroyed) return
    const length = Number(req.headers['content-length'] ?? 0)
    if (fault === 'slow down (503)') {
      faults[fault] += 1
      if (length > 0 && length <= READ_BEFORE_REFUSAL) {
        if (expects) res.writeContinue()
        await finished(req.resume()).catch(() => undefined)
      }
      res.writeHead(503, { 'content-type': 'application/xml', connection: 'close' })
      res.end(SLOW_DOWN)
      req.resume()
      return
    }
    if (fault === 'reset before the body' || (fault === 'reset in the body' && length === 0)) {
      faults['reset before the body'] += 1
      socket.resetAndDestroy()
      return
    }
    if (expects) res.writeContinue()
    const path = req.url ?? '/'
    const forward = httpRequest({ hostname, port, method, path, headers: passedOn(req), agent, setHost: false })
    upstream += 1
    const ended = new Promise<void>((resolve) => forward.once('close', resolve))
    void ended.then(() => (upstream -= 1))
    forward.on('error', () => {
      if (socket.destroyed) return
      upstreamErrors += 1
      socket.destroy()
    })
    forward.on('response', (answer) => void respond(req, res, answer, decision))
    const reads = method === 'GET' || method === 'HEAD'
    if ((await sendBody(req, forward, fault, Math.floor(place * length))) && reads) {
      const gone = (): void => {
        if (!res.writableFinished) forward.destroy()
      }
      if (res.closed) gone()
      else res.once('close', gone)
    }
    await ended
  }

  /** Whether the server has all of it. */
  async function sendBody(req: IncomingMessage, forward: ClientRequest, fault: Fault | undefined, cut: number) {
    let sent = 0
    try {
      for await (const item of req) {
        const chunk = item as Buffer
        if (fault === 'reset in the body' && sent + chunk.length > cut) {
          faults[fault] += 1
          forward.destroy()
          req.socket.resetAndDestroy()
          return false
        }
        sent += chunk.length
        if (!forward.write(chunk)) await drained(forward)
        if (forward.destroyed) return false
        if (fault === 'slow') await setTimeout(2)
      }
    } catch {
      forward.destroy()
      return false
    }
    forward.end()
    return true
  }

  async function respond(req: IncomingMessage, res: ServerResponse, answer: IncomingMessage, decision: Decision) {
    const { fault, place } = decision
    const { socket } = req
    answer.on('error', () => socket.destroy())
    if (socket.destroyed) {
      answer.resume()
      return
    }
    if (fault === 'reset after the body') {
      faults[fault] += 1
      answer.resume()
      answer.once('close', () => socket.resetAndDestroy())
      return
    }
    const length = Number(answer.headers['content-length'] ?? 0)
    const cut =
      fault === 'truncated answer' && req.method !== 'HEAD' && length > 1 ? Math.floor(place * length) : Infinity
    if (fault === 'slow') faults[fault] += 1
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, keptHeaders(answer.rawHeaders))
    let sent = 0
    try {
      for await (const item of answer) {
        const chunk = item as Buffer
        if (res.closed) return
        if (sent + chunk.length > cut) {
          faults['truncated answer'] += 1
          res.write(chunk.subarray(0, cut - sent), () => socket.destroy())
          return
        }
        sent += chunk.length
        if (!res.write(chunk)) await drained(res)
        if (fault === 'slow') await setTimeout(4)
      }
      res.end()
    } catch {
      socket.destroy()
    }
  }

  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
  const start = (req: IncomingMessage, res: ServerResponse, expects: boolean): void => {
    req.on('error', () => undefined)
    res.on('error', () => undefined)
    handle(req, res, expects).catch(() => req.socket.destroy())
  }
  server.on('request', (req, res) => start(req, res, false))
  server.on('checkContinue', (req, res) => start(req, res, true))
  server.on('clientError', (_, socket) => socket.destroy())
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    mostConnections = Math.max(mostConnections, sockets.size)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    plan(plan) {
      decide = decider(plan)
      requests = 0
      upstreamErrors = 0
      mostConnections = sockets.size
      faults = zeroes()
    },
    counts: () => ({ requests, faults, upstreamErrors, connections: sockets.size, mostConnections, upstream }),
    async close() {
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Until it takes more, or is closed. */
function drained(stream: ClientRequest | ServerResponse): Promise<void> {
  if (stream.closed || stream.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })
}

function zeroes(): Record<Fault, number> {
  return Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>
}

function passedOn(req: IncomingMessage): string[] {
  return keptHeaders(req.rawHeaders)
}

/** Names and values in turn, as they came, without those that are about one connection. */
function keptHeaders(raw: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, raw[index + 1] ?? '')
  }
  return kept
}
