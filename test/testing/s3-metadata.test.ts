import assert from 'node:assert/strict'
import test from 'node:test'
import { Readable } from 'node:stream'
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { send } from './s3-raw.js'

const Bucket = 'bucket'
const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})

/** What a value that was sent is stored and returned as. */
async function roundTrip(value: string, Body: string | Uint8Array = new Uint8Array(1)) {
  await client.send(new PutObjectCommand({ Bucket, Key: 'm', Body, Metadata: { v: value } }))
  const returned = (await client.send(new HeadObjectCommand({ Bucket, Key: 'm' }))).Metadata?.v
  return [(await s3.object(Bucket, 'm'))?.metadata.v, returned]
}

test('ASCII comes back as it is, blanks around it trimmed', async () => {
  const punctuation = `!"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}~  two  blanks {"a":"b"} =? ?= =?x?=`
  assert.deepEqual(await roundTrip(punctuation), [punctuation, punctuation])
  assert.deepEqual(await roundTrip(''), ['', ''])
  const padded = await send(s3, { method: 'PUT', path: '/bucket/m', headers: { 'x-amz-meta-v': ' \t x \t ' } })
  assert.equal(padded.status, 200)
  assert.equal((await s3.object(Bucket, 'm'))?.metadata.v, 'x')
})

test('the SDK sends empty values, and they are kept', async () => {
  const marker = 'x-amz-crypto-instr-file'
  const Metadata = { [marker]: '', color: 'blue' }
  const raw = (): string | undefined => s3.requests.at(-1)?.headers[`x-amz-meta-${marker}`]
  const kept = async (Key: string): Promise<void> => {
    assert.deepEqual((await client.send(new HeadObjectCommand({ Bucket, Key }))).Metadata, Metadata)
    assert.deepEqual((await s3.object(Bucket, Key))?.metadata, Metadata)
  }
  for (const [Key, Body] of Object.entries({ text: '{}', bytes: new Uint8Array(2), stream: Readable.from(['{}']) })) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: 2, Metadata }))
    assert.equal(raw(), '', Key)
    await kept(Key)
  }
  await client.send(
    new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/text`, Metadata, MetadataDirective: 'REPLACE' }),
  )
  assert.equal(raw(), '')
  await kept('c')
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'm', Metadata }))
  assert.equal(raw(), '')
  await client.send(new CopyObjectCommand({ Bucket, Key: 'd', CopySource: `${Bucket}/text` }))
  await kept('d')
  const answer = await send(s3, { method: 'HEAD', path: '/bucket/d' })
  assert.equal(answer.headers[`x-amz-meta-${marker}`], '')
})

test('header bytes are Latin-1, and come back as one RFC 2047 word', async () => {
  // A request with a string body goes out as UTF-8 as a whole: its two bytes for é are two characters.
  assert.deepEqual(await roundTrip('é', 'body'), ['Ã©', '=?UTF-8?Q?=C3=83=C2=A9?='])
  assert.deepEqual(await roundTrip('a é_?=z'), ['a é_?=z', '=?UTF-8?Q?a_=C3=A9=5F=3F=3Dz?='])
  const long = 'é'.repeat(200)
  assert.deepEqual(await roundTrip(long), [long, `=?UTF-8?Q?${'=C3=A9'.repeat(200)}?=`])
})

test('RFC 2047 words in requests are decoded', async () => {
  const cases: [sent: string, stored: string][] = [
    ['=?UTF-8?Q?actually-ascii?=', 'actually-ascii'],
    ['=?UTF-8?B?YWJj?=', 'abc'],
    ['=?utf-8?q?=C3=A9_x?=', 'é x'],
    ['=?ISO-8859-1?Q?=E9?=', 'é'],
    ['=?UTF-8?Q?a?= =?UTF-8?B?Yg==?=  =?UTF-8?Q?c?= d', 'abc d'],
    ['x =?UTF-8?Q?a?= y', 'x a y'],
    ['=?no-such-charset?Q?a?=', '=?no-such-charset?Q?a?='],
    ['=?UTF-8?X?a?=', '=?UTF-8?X?a?='],
  ]
  for (const [sent, stored] of cases) assert.equal((await roundTrip(sent))[0], stored, sent)
  assert.deepEqual(await roundTrip('=?UTF-8?Q?=C3=A9?='), ['é', '=?UTF-8?Q?=C3=A9?='])
})

test('control characters and U+FFFD come back as a B word', async () => {
  assert.deepEqual(await roundTrip('=?UTF-8?Q?a=0Ab?='), [
    'a\nb',
    `=?UTF-8?B?${Buffer.from('a\nb').toString('base64')}?=`,
  ])
  const bad = '\ufffd'
  assert.deepEqual(await roundTrip('=?UTF-8?Q?=FF?='), [bad, `=?UTF-8?B?${Buffer.from(bad).toString('base64')}?=`])
})

test('keys and values may have 2048 bytes together', async () => {
  const put = (Metadata: Record<string, string>): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket, Key: 'limit', Body: '', Metadata }))
  await put({ abc: 'x'.repeat(1000), def: 'y'.repeat(1042) })
  assert.equal(Object.keys((await s3.object(Bucket, 'limit'))?.metadata ?? {}).length, 2)
  await assert.rejects(put({ abc: 'x'.repeat(1000), def: 'y'.repeat(1043) }), { name: 'MetadataTooLarge' })
  await assert.rejects(put({ a: '=?UTF-8?B?' + Buffer.from('é'.repeat(1024)).toString('base64') + '?=' }), {
    name: 'MetadataTooLarge',
  })
})
