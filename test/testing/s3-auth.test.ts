import assert from 'node:assert/strict'
import test from 'node:test'
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { startS3, type S3Server } from 's3-cse/testing'
import { send, signed, type Raw } from './s3-raw.js'

const Bucket = 'bucket'
const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
await s3.put(Bucket, 'a', { body: 'hello' })
test.after(async () => {
  client.destroy()
  await s3.close()
})

const code = async (raw: Partial<Raw>): Promise<string | undefined> => {
  const answer = await send(s3, { path: '/bucket/a', ...raw })
  if (answer.status === 200) return '200'
  assert.match(answer.text, /<RequestId>[0-9A-F]{16}<\/RequestId>/)
  return answer.code
}
const minutes = (n: number): Date => new Date(Date.now() + n * 60_000)

test('a signed request passes, an anonymous one does not', async () => {
  assert.equal(await code({}), '200')
  assert.equal(await code({ sign: false }), 'AccessDenied')
  assert.equal((await send(s3, { path: '/bucket/a', sign: false })).status, 403)
})

test('the signature is verified', async () => {
  assert.equal(await code({ secret: 'wrong' }), 'SignatureDoesNotMatch')
  assert.equal(await code({ accessKeyId: 'AKIAOTHER' }), 'InvalidAccessKeyId')
  assert.equal(await code({ signedPath: '/bucket/b' }), 'SignatureDoesNotMatch')
  const { headers } = signed(s3, { path: '/bucket/a', headers: { range: 'bytes=0-1' } })
  const changed = { ...headers, range: 'bytes=0-2' }
  assert.equal(await code({ sign: false, headers: changed }), 'SignatureDoesNotMatch')
  assert.equal(await code({ sign: false, headers, method: 'DELETE' }), 'SignatureDoesNotMatch')
  assert.equal(await code({ sign: false, headers, path: '/bucket/a?response-expires=x' }), 'SignatureDoesNotMatch')
  assert.equal(await code({ sign: false, headers, path: '/bucket/b' }), 'SignatureDoesNotMatch')
  assert.equal(await code({ path: '/bucket?prefix=%ff' }), 'SignatureDoesNotMatch') // not UTF-8
  assert.equal((await send(s3, { path: '/bucket/a', sign: false, headers })).status, 206)
})

test('wrong credentials of an SDK client are refused', async () => {
  const credentials = { ...s3.clientConfig.credentials, secretAccessKey: 'wrong' }
  const other = new S3Client({ ...s3.clientConfig, credentials })
  await assert.rejects(other.send(new GetObjectCommand({ Bucket, Key: 'a' })), { name: 'SignatureDoesNotMatch' })
  other.destroy()
})

test('own credentials can be chosen', async () => {
  const credentials = { accessKeyId: 'mine', secretAccessKey: 'secret' }
  const own = await startS3({ buckets: [Bucket], credentials })
  const mine = new S3Client({ ...own.clientConfig, credentials })
  await mine.send(new HeadBucketCommand({ Bucket }))
  mine.destroy()
  await own.close()
})

test('scope, date and session are checked', async () => {
  assert.equal(await code({ region: 'eu-west-1' }), 'AuthorizationHeaderMalformed')
  assert.equal(await code({ date: minutes(-16) }), 'RequestTimeTooSkewed')
  assert.equal(await code({ date: minutes(16) }), 'RequestTimeTooSkewed')
  assert.equal(await code({ date: minutes(-14) }), '200')
  assert.equal(await code({ headers: { 'x-amz-security-token': 'x' } }), 'InvalidToken')
  const { headers } = signed(s3, { path: '/bucket/a' })
  const sent = (more: Record<string, string>) => code({ sign: false, headers: { ...headers, ...more } })
  assert.equal(
    await sent({ authorization: headers.authorization!.replace('/s3/', '/kms/') }),
    'AuthorizationHeaderMalformed',
  )
  assert.equal(await sent({ authorization: headers.authorization!.slice(0, -1) }), 'AuthorizationHeaderMalformed')
  assert.equal(await sent({ authorization: 'AWS key:signature' }), 'InvalidRequest')
  const nextDay = headers['x-amz-date']!.replace(/^\d{8}/, '20200101')
  assert.equal(await sent({ 'x-amz-date': nextDay }), 'AuthorizationHeaderMalformed')
  assert.equal(await sent({ 'x-amz-date': 'x'.repeat(16) }), 'AuthorizationHeaderMalformed')
})

test('host and every x-amz- header must be signed', async () => {
  assert.equal(await code({ headers: { 'x-amz-meta-a': 'b' }, unsigned: ['x-amz-meta-a'] }), 'AccessDenied')
  assert.equal(await code({ unsigned: ['host'] }), 'AccessDenied')
  assert.equal(await code({ headers: { 'if-match': '*' }, unsigned: ['if-match'] }), '200')
})

test('x-amz-content-sha256 and x-amz-date must be there', async () => {
  const { headers } = signed(s3, { path: '/bucket/a' })
  for (const [name, expected] of [
    ['x-amz-content-sha256', 'InvalidRequest'],
    ['x-amz-date', 'AccessDenied'],
  ] as const) {
    const rest = Object.fromEntries(Object.entries(headers).filter(([one]) => one !== name))
    const answer = await fetch(`${s3.endpoint}/bucket/a`, { headers: rest })
    assert.match(await answer.text(), new RegExp(`<Code>${expected}</Code>`))
  }
})

test('presigned requests work until they expire', async () => {
  const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'a' }), { expiresIn: 60 })
  assert.equal(await (await fetch(url)).text(), 'hello')
  const [path, query = ''] = url.split('?')
  assert.equal((await fetch(`${path!}?${query.split('&').reverse().join('&')}`)).status, 200)
  const refusal = async (
    change: (url: URL) => void,
    headers: Record<string, string> = {},
  ): Promise<string | undefined> => {
    const other = new URL(url)
    change(other)
    const answer = await fetch(other, { headers })
    return /<Code>(\w+)<\/Code>/.exec(await answer.text())?.[1]
  }
  const set = (name: string, value: string) => (one: URL) => one.searchParams.set(name, value)
  assert.equal(await refusal(set('X-Amz-Expires', '61')), 'SignatureDoesNotMatch')
  assert.equal(await refusal(set('response-expires', 'x')), 'SignatureDoesNotMatch')
  assert.equal(await refusal((one) => (one.pathname = '/bucket/b')), 'SignatureDoesNotMatch')
  assert.equal(await refusal(set('X-Amz-Expires', '604801')), 'AuthorizationQueryParametersError')
  assert.equal(await refusal((one) => one.searchParams.delete('X-Amz-Date')), 'AuthorizationQueryParametersError')
  assert.equal(await refusal(set('X-Amz-Algorithm', 'AWS4-HMAC-SHA1')), 'AuthorizationQueryParametersError')
  assert.equal(await refusal(() => undefined, { 'x-amz-meta-a': 'b' }), 'AccessDenied')
  assert.equal(await refusal(() => undefined, { authorization: 'AWS4-HMAC-SHA256 x' }), 'InvalidArgument')
  for (const [ago, allowed] of [
    [61, false],
    [59 - 30, true],
    [-16 * 60, false],
  ] as const) {
    const signingDate = new Date(Date.now() - ago * 1000)
    const old = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'a' }), { expiresIn: 60, signingDate })
    assert.equal((await fetch(old)).status, allowed ? 200 : 403)
  }
})

test('what presigning moved into the query counts as headers', async () => {
  const plain = new S3Client({ ...s3.clientConfig, requestChecksumCalculation: 'WHEN_REQUIRED' })
  const url = await getSignedUrl(plain, new PutObjectCommand({ Bucket, Key: 'pre', Metadata: { a: 'b' } }))
  assert.match(url, /x-amz-meta-a=b/)
  assert.equal((await fetch(url, { method: 'PUT', body: 'presigned' })).status, 200)
  const stored = await s3.object(Bucket, 'pre')
  assert.deepEqual(stored?.metadata, { a: 'b' })
  assert.equal(Buffer.from(stored.body).toString(), 'presigned')
  plain.destroy()
})
