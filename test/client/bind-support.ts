/** Clients that bind objects to their places, and a KMS that tells what it was asked. */
import type { KMSClient } from '@aws-sdk/client-kms'
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'

import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import type { KmsServer, S3Options } from '../../src/testing/index.js'
import { kmsWorld } from '../attacks/support.js'
import { copyWorld } from './copy-support.js'
import type { CopyWorld } from './copy-support.js'

export const LABEL = 's3-cse-label'
export const KEY = 's3-cse-key'

export interface BindWorld extends CopyWorld {
  readonly kms: KmsServer
  readonly kmsClient: KMSClient
  readonly keyring: Keyring
  /** With `bind: true` and the keyring. */
  bound(options?: Partial<EncryptionOptions>, config?: S3ClientConfig): S3Client
  /** The same without. */
  loose(options?: Partial<EncryptionOptions>): S3Client
  /** What KMS was asked, by name, since the last call. */
  asked(): string[]
}

export async function bindWorld(options: S3Options = {}): Promise<BindWorld> {
  const w = await copyWorld(options)
  const { kms, client: kmsClient } = await kmsWorld()
  const { arn: keyId } = kms.createKey()
  const keyring = kmsKeyring({ client: kmsClient, keyId })
  return Object.assign(Object.create(w) as CopyWorld, {
    kms,
    kmsClient,
    keyring,
    bound: (more = {}, config = {}) => w.client({ keyring, bind: true, ...more }, config),
    loose: (more = {}) => w.client({ keyring, ...more }),
    asked: () => kms.requests.splice(0).map(({ operation }) => operation),
  } satisfies Partial<BindWorld>)
}
