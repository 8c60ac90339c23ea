import type { CommitmentPolicy, ObjectMetadata } from '../../src/formats/format.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import type { Context, Keyring } from '../../src/keyrings/keyring.js'

/** Stored objects of the S3EC format without an S3: metadata and body. */

export interface Stored {
  readonly metadata: ObjectMetadata
  readonly body: Uint8Array
}

export interface Settings {
  readonly keyring: Keyring
  readonly commitmentPolicy?: CommitmentPolicy
  readonly encryptionContext?: Context
}

export const object: { readonly bucket: string; readonly key: string } = { bucket: 'bucket', key: 'key' }
export const writesV2 = 'FORBID_ENCRYPT_ALLOW_DECRYPT'
export const writesV3 = 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'

const format = s3ec()

export async function store(settings: Settings, plaintext: Uint8Array): Promise<Stored> {
  const { sealer, metadata } = await format.seal(complete(settings))
  try {
    return { metadata, body: await sealer.sealWhole(plaintext) }
  } finally {
    sealer.destroy()
  }
}

/** Throws for objects without an envelope as well. */
export async function load(settings: Settings, { metadata, body }: Stored): Promise<Uint8Array> {
  const envelope = format.recognise(metadata, object)
  if (envelope === undefined) throw new Error('no envelope')
  const opener = await envelope.open({ ...complete(settings), object })
  try {
    return await opener.openWhole(body)
  } finally {
    opener.destroy()
  }
}

function complete({ keyring, commitmentPolicy = writesV3, encryptionContext = {} }: Settings): Required<Settings> {
  return { keyring, commitmentPolicy, encryptionContext }
}

/** The metadata with some values changed, or with keys removed (`undefined`). */
export function changed(metadata: ObjectMetadata, changes: Record<string, string | undefined>): ObjectMetadata {
  const all = Object.entries({ ...metadata, ...changes })
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined))
}
