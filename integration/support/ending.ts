/** What has to be given back however this process ends: servers, directories. */
const steps: (() => Promise<unknown>)[] = []
let ending: Promise<void> | undefined

/** Runs `step` when the process is told to end (SIGINT, SIGTERM); what was registered last comes first. */
export function whenTold(step: () => Promise<unknown>): void {
  steps.push(step)
  if (steps.length > 1) return
  // Both a terminal and whoever started this process may send one: the second one is nothing new.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void (ending ??= end()))
}

async function end(): Promise<void> {
  for (const step of steps.reverse()) await step().catch((error: unknown) => console.error(error))
  process.exit(130)
}
