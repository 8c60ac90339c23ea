import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  CancelKeyDeletionCommand,
  CreateGrantCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EnableKeyCommand,
  type GrantOperation,
  type KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { clientsOf, encrypted, failsWith } from './kms-support.js'

let kms: KmsServer
let clients: ReturnType<typeof clientsOf>
let client: KMSClient

before(async () => {
  kms = await startKms()
  clients = clientsOf(kms)
  client = clients.in('us-east-1')
})
after(async () => {
  clients.destroy()
  await kms.close()
})

const schedule = (KeyId: string, PendingWindowInDays?: number) =>
  client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays }))
const cancel = (KeyId: string) => client.send(new CancelKeyDeletionCommand({ KeyId }))
const grant = (KeyId: string, Operations: GrantOperation[] | undefined = ['Decrypt']) =>
  client.send(new CreateGrantCommand({ KeyId, GranteePrincipal: 'arn:aws:iam::111122223333:user/a', Operations }))

describe('in-process KMS: deletion of keys', () => {
  test('a key that is to be deleted does nothing until that is taken back, and then until it is enabled', async () => {
    const { arn, keyId } = kms.createKey()
    const CiphertextBlob = await encrypted(client, arn)
    const opens = (): Promise<unknown> => client.send(new DecryptCommand({ CiphertextBlob }))
    const from = Date.now()
    const { KeyId, KeyState, PendingWindowInDays, DeletionDate } = await schedule(keyId, 7)
    assert.deepEqual([KeyId, KeyState, PendingWindowInDays], [arn, 'PendingDeletion', 7])
    const days = (DeletionDate!.getTime() - from) / 86_400_000
    assert.ok(days > 6.9 && days < 7.1, String(days))
    await failsWith('KMSInvalidStateException', opens())
    await failsWith('KMSInvalidStateException', schedule(keyId))
    await failsWith('KMSInvalidStateException', grant(keyId))
    assert.equal((await cancel(arn)).KeyId, arn)
    await failsWith('DisabledException', opens())
    await failsWith('DisabledException', grant(keyId))
    await failsWith('KMSInvalidStateException', cancel(arn))
    await client.send(new EnableKeyCommand({ KeyId: keyId }))
    await opens()
  })

  test('within 7 to 30 days, 30 where none is said', async () => {
    const { arn } = kms.createKey({ alias: 'alias/deleted' })
    await failsWith('ValidationException', schedule(arn, 6))
    await failsWith('ValidationException', schedule(arn, 31))
    await failsWith('InvalidArnException', schedule('alias/deleted'))
    await failsWith('InvalidArnException', cancel('alias/deleted'))
    await failsWith('InvalidArnException', grant('alias/deleted'))
    await failsWith('NotFoundException', schedule('00000000-0000-0000-0000-000000000000'))
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: arn }))
    assert.equal(KeyMetadata?.KeyState, 'Enabled')
    assert.equal((await schedule(arn)).PendingWindowInDays, 30)
  })
})

test('in-process KMS: a grant has an id and a token that requests may bring', async () => {
  const { arn, keyId } = kms.createKey()
  const { GrantId, GrantToken } = await grant(keyId)
  assert.match(GrantId!, /^[0-9a-f]{32}$/)
  const another = await grant(keyId)
  assert.notEqual(another.GrantToken, GrantToken)
  assert.notEqual(another.GrantId, GrantId)
  const CiphertextBlob = await encrypted(client, arn)
  await client.send(new DecryptCommand({ CiphertextBlob, GrantTokens: [GrantToken!] }))
  await failsWith('ValidationException', grant(keyId, []))
  const none: unknown = undefined
  const nobody = { KeyId: keyId, GranteePrincipal: none as string, Operations: ['Decrypt' as const] }
  await failsWith('ValidationException', client.send(new CreateGrantCommand(nobody)))
  const unlisted = { KeyId: keyId, GranteePrincipal: 'arn:aws:iam::111122223333:user/a', Operations: none as [] }
  await failsWith('ValidationException', client.send(new CreateGrantCommand(unlisted)))
})
