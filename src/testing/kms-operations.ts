import { decrypt, encrypt, generateDataKey, reEncrypt } from './kms-cryptography.js'
import { cancelKeyDeletion, createGrant, scheduleKeyDeletion } from './kms-lifecycle.js'
import {
  createAlias,
  createKey,
  deleteAlias,
  describeKey,
  listAliases,
  setEnabled,
  updateAlias,
} from './kms-management.js'
import { getPublicKey, replicateKey, rotateKeyOnDemand } from './kms-material.js'
import type { KmsOperation } from './kms-state.js'

/** Everything that this KMS answers; any other operation is unknown to it. */
export const operations: ReadonlyMap<string, KmsOperation> = new Map<string, KmsOperation>([
  ['CreateKey', createKey],
  ['DescribeKey', describeKey],
  ['EnableKey', (state, input, place) => setEnabled(state, input, place, true)],
  ['DisableKey', (state, input, place) => setEnabled(state, input, place, false)],
  ['ScheduleKeyDeletion', scheduleKeyDeletion],
  ['CancelKeyDeletion', cancelKeyDeletion],
  ['CreateGrant', createGrant],
  ['CreateAlias', createAlias],
  ['UpdateAlias', updateAlias],
  ['DeleteAlias', deleteAlias],
  ['ListAliases', listAliases],
  ['GenerateDataKey', (state, input, place) => generateDataKey(state, input, place, true)],
  ['GenerateDataKeyWithoutPlaintext', (state, input, place) => generateDataKey(state, input, place, false)],
  ['Encrypt', encrypt],
  ['Decrypt', decrypt],
  ['ReEncrypt', reEncrypt],
  ['GetPublicKey', getPublicKey],
  ['ReplicateKey', replicateKey],
  ['RotateKeyOnDemand', rotateKeyOnDemand],
])
