import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startFaultProxy } from './fault-proxy.js'
import type { ProxyCounts } from './fault-proxy.js'
import type { FaultPlan } from './faults.js'

/** Milliseconds: who has not ended by then is killed. */
const ENDING = 10_000

/** The proxy in a process of its own, so that its memory and its sockets are not counted with those of the client. */
export interface ProxyProcess {
  readonly endpoint: string
  plan(plan: FaultPlan): Promise<void>
  counts(): Promise<ProxyCounts>
  /** May be called again. */
  close(): Promise<void>
}

interface Question {
  readonly id: number
  readonly plan?: FaultPlan
}

interface Answer {
  readonly id: number
  readonly endpoint?: string
  readonly counts?: ProxyCounts
}

export async function startProxyProcess(target: string): Promise<ProxyProcess> {
  const child = fork(fileURLToPath(import.meta.url), [target], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>()
  let gone: Error | undefined
  const ended = new Promise<void>((resolve) => {
    const end = (error: Error): void => {
      gone ??= error
      for (const { reject } of waiting.values()) reject(gone)
      waiting.clear()
      resolve()
    }
    child.once('exit', (code, signal) => end(new Error(`the proxy has ended: ${signal ?? code}`)))
    child.on('error', (error) => {
      // Of a process that runs, this is about one message.
      if (child.pid === undefined) end(error)
    })
  })
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.resolve(answer)
    waiting.delete(answer.id)
  })
  let id = 0
  const ask = (question: Omit<Question, 'id'>): Promise<Answer> =>
    new Promise((resolve, reject) => {
      if (gone !== undefined) {
        reject(gone)
        return
      }
      id += 1
      waiting.set(id, { resolve, reject })
      child.send({ id, ...question }, (error) => {
        if (error !== null) reject(error)
      })
    })
  const close = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    const timer = setTimeout(() => child.kill('SIGKILL'), ENDING)
    await ended
    clearTimeout(timer)
  }
  const { endpoint } = await ask({}).catch(async (error: unknown) => {
    await close()
    throw error
  })
  if (endpoint === undefined) throw new Error('the proxy does not say where it is')
  return {
    endpoint,
    async plan(plan) {
      await ask({ plan })
    },
    async counts() {
      const { counts } = await ask({})
      if (counts === undefined) throw new Error('the proxy does not say what it did')
      return counts
    },
    close,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  const started = startFaultProxy(process.argv[2] ?? '')
  process.on('message', ({ id, plan }: Question) => {
    void started.then((proxy) => {
      if (plan !== undefined) proxy.plan(plan)
      process.send?.({ id, endpoint: proxy.endpoint, counts: proxy.counts() })
    })
  })
  process.on('disconnect', () => void started.then((proxy) => proxy.close()))
}
