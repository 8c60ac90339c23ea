/** Processes that are started with one message and answer with one. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { S3ClientConfig } from 's3-cse/testing'

export interface RunningSubject<Answer> {
  readonly answer: Answer
  /** Lets it end by itself, and waits for that. */
  end(): Promise<void>
}

/** Starts a compiled subject, hands it `task`, and waits for its answer. Rejects if it ends without one. */
export async function start<Answer>(
  file: string,
  task: object,
  nodeOptions: readonly string[] = [],
): Promise<RunningSubject<Answer>> {
  // execArgv: without it the child would get this process's loader.
  const child = fork(file, { execArgv: [...nodeOptions], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>
  child.send(task)
  const answer = await Promise.race([
    once(child, 'message').then(([message]) => message as Answer),
    exit.then(([status, signal]): never => {
      throw new Error(`${file} ended with ${signal ?? `status ${String(status)}`} and gave no answer`)
    }),
  ])
  return { answer, end: () => end(child, exit) }
}

async function end(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  if (child.connected) child.disconnect()
  await exit
}

/** The same for a subject that has nothing left to do after its answer. */
export async function ask<Answer>(file: string, task: object, nodeOptions?: readonly string[]): Promise<Answer> {
  const subject = await start<Answer>(file, task, nodeOptions)
  await subject.end()
  return subject.answer
}

/** In the subject: the task. */
export async function receiveTask<Task>(): Promise<Task> {
  const [task] = (await once(process, 'message')) as [Task]
  return task
}

/** In the subject: the answer. The process goes on until it is told to end. */
export function giveAnswer(answer: object): void {
  process.send?.(answer)
}

/** Node is told of the SDK's view of its age in every process: once is enough. */
export const QUIET: readonly string[] = ['--no-warnings']

export interface ServerTask {
  readonly directory?: string
  /** Bytes of bodies a second, in both directions together. Default: no limit. */
  readonly paceBytesPerSecond?: number
  /** Bodies are received and checked, but not stored. */
  readonly discardBodies?: boolean
}

/** An S3 in a process of its own, which does no more than it must. */
export function startServer(file: string, task: ServerTask): Promise<RunningSubject<S3ClientConfig>> {
  return start<S3ClientConfig>(file, task, QUIET)
}
