import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { KMSClient, GenerateDataKeyCommand } from '@aws-sdk/client-kms'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { startKms, startS3, type CorsOptions, type S3Server } from 's3-cse/testing'
import { corsHeaders, corsOf, preflightHeaders } from '../../src/testing/cors.js'
import { send, type RawAnswer } from './s3-raw.js'

const Bucket = 'bucket'
const origin = 'https://app.example'
const ask = { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-amz-date, x-foo' }

const servers: { close(): Promise<void> }[] = []
after(() => Promise.all(servers.map((server) => server.close())))

async function s3With(cors?: boolean | CorsOptions): Promise<S3Server> {
  const s3 = await startS3({ buckets: [Bucket], ...(cors !== undefined && { cors }) })
  servers.push(s3)
  const client = new S3Client(s3.clientConfig)
  await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hello', Metadata: { color: 'red' } }))
  client.destroy()
  return s3
}

const preflight = (s3: S3Server, headers: Record<string, string>): Promise<RawAnswer> =>
  send(s3, { method: 'OPTIONS', path: `/${Bucket}/k`, headers, sign: false })
const get = (s3: S3Server, more: Record<string, string> = { origin }, key = 'k'): Promise<RawAnswer> =>
  send(s3, { path: `/${Bucket}/${key}`, headers: more })
const accessHeaders = (answer: RawAnswer): string[] =>
  Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))

describe('in-process S3: CORS', () => {
  test('without a configuration no other origin is let in', async () => {
    const s3 = await s3With()
    const answer = await preflight(s3, ask)
    assert.deepEqual([answer.status, answer.code], [403, 'AccessForbidden'])
    assert.match(answer.text, /CORS is not enabled for this bucket/)
    assert.deepEqual(accessHeaders(answer), [])
    assert.deepEqual(accessHeaders(await get(s3)), [])
  })

  test('true: every origin, every header, and all of an answer may be read', async () => {
    const s3 = await s3With(true)
    const asked = await preflight(s3, ask)
    assert.equal(asked.status, 200)
    assert.equal(asked.headers['access-control-allow-origin'], '*')
    assert.equal(asked.headers['access-control-allow-headers'], 'x-amz-date, x-foo')
    assert.equal(asked.headers['access-control-allow-methods'], 'GET, PUT, POST, DELETE, HEAD')
    assert.equal(asked.headers['access-control-allow-credentials'], undefined)
    const answer = await get(s3)
    assert.deepEqual([answer.status, answer.text], [200, 'hello'])
    const exposed = answer.headers['access-control-expose-headers']!.split(', ')
    for (const name of ['etag', 'x-amz-meta-color', 'x-amz-request-id']) assert.ok(exposed.includes(name), name)
    assert.match(answer.headers.vary!, /Origin/)
    assert.deepEqual(
      s3.requests.map((request) => request.operation),
      ['PutObject', 'Preflight', 'GetObject'],
    )
  })

  test('errors are shared as well', async () => {
    const answer = await get(await s3With(true), { origin }, 'none')
    assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [404, '*'])
  })

  test('a request that is not cross-origin gets nothing of it', async () => {
    assert.deepEqual(accessHeaders(await get(await s3With(true), {})), [])
  })

  test('only origins and headers that were named', async () => {
    const s3 = await s3With({ origins: ['https://*.example'], exposeHeaders: ['ETag'] })
    const answer = await get(s3)
    assert.equal(answer.headers['access-control-allow-origin'], origin)
    assert.equal(answer.headers['access-control-allow-credentials'], 'true')
    assert.equal(answer.headers['access-control-expose-headers'], 'ETag')
    const other = await get(s3, { origin: 'https://app.example.org' })
    assert.deepEqual([other.status, accessHeaders(other)], [200, []])
    const refused = await preflight(s3, { ...ask, origin: 'http://app.example' })
    assert.deepEqual([refused.status, refused.code, accessHeaders(refused)], [403, 'AccessForbidden', []])
  })

  test('a preflight request has to say what it asks for, a method that S3 has', async () => {
    const s3 = await s3With(true)
    const withoutOrigin = { 'access-control-request-method': 'PUT' }
    const withoutMethod = { origin }
    for (const [headers, missing] of [
      [withoutOrigin, /Origin request header needed/],
      [withoutMethod, /Access-Control-Request-Method request header needed/],
    ] as const) {
      const answer = await preflight(s3, headers)
      assert.equal(answer.status, 400)
      assert.match(answer.text, missing)
    }
    assert.equal((await preflight(s3, { ...ask, 'access-control-request-method': 'PATCH' })).status, 403)
  })

  test('a fault waits for the request behind its preflight', async () => {
    const s3 = await s3With(true)
    s3.fail({ status: 503 })
    assert.equal((await preflight(s3, ask)).status, 200)
    assert.equal((await get(s3)).status, 503)
  })

  test('a preflight request permits nothing by itself', async () => {
    const s3 = await s3With(true)
    await preflight(s3, ask)
    assert.equal((await send(s3, { path: `/${Bucket}/k`, headers: { origin }, sign: false })).status, 403)
  })

  test('what S3 does not take as a configuration is refused', async () => {
    // Servers that start all the same are closed with the others.
    const kept = async (starting: Promise<{ close(): Promise<void> }>): Promise<void> =>
      void servers.push(await starting)
    await assert.rejects(kept(startS3({ cors: { origins: ['https://*.*'] } })), TypeError)
    await assert.rejects(kept(startS3({ cors: { exposeHeaders: ['x-amz-meta-*'] } })), TypeError)
    await assert.rejects(kept(startKms({ cors: { origins: ['**'] } })), TypeError)
  })
})

test('an origin fits a pattern without the two ends of it overlapping', () => {
  const cors = corsOf({ origins: ['https://ab*ba.example'] }, 'test')
  const allowed = (from: string): boolean => Object.keys(corsHeaders(cors, { origin: from }, {})).length > 0
  assert.deepEqual(['https://abba.example', 'https://ab-ba.example', 'https://aba.example'].map(allowed), [
    true,
    true,
    false,
  ])
  assert.equal(corsOf(false, 'test'), undefined)
})

test('an origin without a pattern is the whole of it, and any of several will do', () => {
  const cors = corsOf({ origins: ['https://one.example', 'https://two.example'] }, 'test')
  const allowed = (from: string): boolean => Object.keys(corsHeaders(cors, { origin: from }, {})).length > 0
  const asked = ['https://one.example', 'https://two.example', 'https://one.example.evil', 'https://one.exampl']
  assert.deepEqual(asked.map(allowed), [true, true, false, false])
})

test('a configuration is copied', () => {
  const [origins, exposeHeaders] = [[origin], ['ETag']]
  const cors = corsOf({ origins, exposeHeaders }, 'test')
  origins.push('https://other.example')
  exposeHeaders.push('x-amz-meta-color')
  assert.deepEqual(corsHeaders(cors, { origin: 'https://other.example' }, {}), {})
  assert.equal(corsHeaders(cors, { origin }, {})['access-control-expose-headers'], 'ETag')
})

test('headers of answers that nobody asked for are not there, and those for caches are', () => {
  const cors = corsOf(true, 'test')
  const bare = preflightHeaders(cors, { origin, 'access-control-request-method': 'GET' })!
  assert.equal('access-control-allow-headers' in bare, false)
  assert.equal(bare['access-control-max-age'], '3000')
  assert.equal('access-control-expose-headers' in corsHeaders(cors, { origin }, {}), false)
  assert.equal(bare.vary, 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method')
  assert.equal(preflightHeaders(cors, { origin }), undefined)
  assert.equal(preflightHeaders(undefined, ask), undefined)
})

test('in-process KMS: CORS', async () => {
  const [kms, closed] = [await startKms({ cors: { origins: [origin] } }), await startKms()]
  servers.push(kms, closed)
  const options = (endpoint: string, from: string): Promise<Response> =>
    fetch(endpoint, { method: 'OPTIONS', headers: { ...ask, origin: from, 'access-control-request-method': 'POST' } })
  const allowed = await options(kms.endpoint, origin)
  assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-origin')], [200, origin])
  assert.equal((await options(kms.endpoint, 'https://other.example')).status, 403)
  assert.equal((await options(closed.endpoint, origin)).status, 403)
  const post = async (endpoint: string, from: string): Promise<string | null> => {
    const response = await fetch(endpoint, { method: 'POST', headers: { origin: from }, body: '{}' })
    assert.equal(response.status, 400)
    return response.headers.get('access-control-expose-headers')
  }
  assert.equal(await post(kms.endpoint, origin), 'x-amzn-requestid, x-amzn-errortype')
  assert.equal(await post(kms.endpoint, 'https://other.example'), null)
  assert.equal(await post(closed.endpoint, origin), null)
  const client = new KMSClient(kms.clientConfig)
  await client.send(new GenerateDataKeyCommand({ KeyId: kms.createKey().arn, KeySpec: 'AES_256' }))
  client.destroy()
  assert.deepEqual(
    kms.requests.map((request) => request.operation),
    ['GenerateDataKey'],
  )
})
