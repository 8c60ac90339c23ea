import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startFaultProxy } from './fault-proxy.js'
import type { ProxyCounts } from './fault-proxy.js'
import type { FaultPlan } from './faults.js'

/** The proxy in a process of its own, so that its memory and its sockets are not counted with those of the client. */
export interface ProxyProcess {
  readonly endpoint: string
  plan(plan: FaultPlan): Promise<void>
  counts(): Promise<ProxyCounts>
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
  const waiting = new Map<number, (answer: Answer) => void>()
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  const ended = once(child, 'exit')
  let id = 0
  const ask = (question: Omit<Question, 'id'>): Promise<Answer> =>
    new Promise((resolve, reject) => {
      id += 1
      waiting.set(id, resolve)
      child.send({ id, ...question }, (error) => {
        if (error !== null) reject(error)
      })
    })
  const { endpoint } = await ask({})
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
    async close() {
      child.disconnect()
      await ended
    },
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
