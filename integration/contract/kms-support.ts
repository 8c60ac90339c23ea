import { KMSClient } from '@aws-sdk/client-kms'

import type { Context } from '../../src/index.js'
import type { Stored } from './stored-objects.js'
import { kmsConfig } from './support.js'
import type { Place } from './support.js'
import { mapKeyOf, wrappedKeyOf } from './tampering-changes.js'
import type { Version } from './tampering-changes.js'

/** What is stored of a data key that KMS has wrapped. */
export function dataKeyOf(
  version: Version,
  { metadata }: Stored,
): { readonly wrappedKey: string; readonly blob: Uint8Array; readonly context: Context } {
  const wrappedKey = wrappedKeyOf[version]
  const context = JSON.parse(metadata[mapKeyOf(version, 'KMS')]!) as Context
  return { wrappedKey, blob: Buffer.from(metadata[wrappedKey]!, 'base64'), context }
}

/** The check's client; from now on the commands that are sent with it are noted. */
export function countedKms({ kms }: Place): {
  readonly client: KMSClient
  readonly calls: string[]
  /** Of the same commands. */
  readonly inputs: object[]
} {
  const calls: string[] = []
  const inputs: object[] = []
  kms.middlewareStack.add(
    (next, context) => (args) => {
      calls.push(context.commandName!)
      inputs.push(args.input)
      return next(args)
    },
    { step: 'initialize', name: 'noted' },
  )
  return { client: kms, calls, inputs }
}

/** With a client of another region. */
export async function inRegion(region: string, act: (client: KMSClient) => Promise<void>): Promise<void> {
  const client = new KMSClient({ ...kmsConfig, region })
  try {
    await act(client)
  } finally {
    client.destroy()
  }
}
