import type { S3Client } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import type { Settings } from './options.js'
import type { Input } from './sdk.js'

// Not shared and not exported by the package: nobody else can send a request past the encryption.
const STORED: unique symbol = Symbol('s3-cse.stored-bytes')

/** Marks the input of a request of this library's own, whose body and output are the stored bytes as they are. */
export function asStored<I extends object>(input: I): I {
  return { ...input, [STORED]: true }
}

export function isAsStored(input: Input): boolean {
  return (input as { [STORED]?: boolean })[STORED] === true
}

const clients = new WeakMap<object, Settings>()

export function rememberClient(client: S3Client, settings: Settings): void {
  clients.set(client, settings)
}

export function forgetClient(client: S3Client): void {
  clients.delete(client)
}

/** The settings of a client with encryption. Throws ERR_S3CSE_CONFIG for any other, named by the function that wants it. */
export function settingsOf(client: unknown, caller: string): Settings {
  const found = typeof client === 'object' && client !== null ? clients.get(client) : undefined
  if (found === undefined) {
    throw configError(
      `${caller} takes a client that addEncryption or encryptedView of this copy of s3-cse has returned`,
    )
  }
  return found
}
