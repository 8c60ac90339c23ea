import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isConfiguredKey, parseKmsKeyArn, parseKmsKeyName, type KmsKeyName } from '../../src/keyrings/kms-arn.js'

const uuid = '1a198d9c-6aa2-420c-b7ed-92a56c359201'
const mrk = `mrk-${'0123456789abcdef'.repeat(2)}`
const key = (id = uuid, region = 'us-east-1', account = '111122223333', partition = 'aws'): string =>
  `arn:${partition}:kms:${region}:${account}:key/${id}`

describe('names of KMS keys', () => {
  const good: [string, KmsKeyName['form']][] = [
    [uuid, 'key id'],
    [mrk, 'key id'],
    ['alias/a', 'alias'],
    ['alias/aws/s3', 'alias'],
    ['alias/A-b_c/9', 'alias'],
    [`alias/${'a'.repeat(250)}`, 'alias'],
    [key(), 'key ARN'],
    [key(mrk), 'key ARN'],
    [key(uuid, 'us-gov-west-1', '000000000000', 'aws-us-gov'), 'key ARN'],
    [key().replace(/key\/.*/, 'alias/a/b'), 'alias ARN'],
  ]
  for (const [text, form] of good) {
    test(`${form}: ${text.slice(0, 90)}`, () => {
      assert.equal(parseKmsKeyName(text)?.form, form)
      assert.equal(parseKmsKeyArn(text) !== undefined, form === 'key ARN')
    })
  }

  const bad = [
    '',
    'mine',
    'alias',
    'alias/',
    'alias/a b',
    'alias/a:b',
    `alias/${'a'.repeat(251)}`,
    ` ${uuid}`,
    `${uuid}\n`,
    uuid.slice(1),
    uuid.toUpperCase(),
    `key/${uuid}`,
    mrk.slice(0, -1),
    key('').slice(0, -1),
    key(''),
    key('*'),
    key('a/b'),
    key(uuid, ''),
    key(uuid, '*'),
    key(uuid, 'us-east-1', ''),
    key(uuid, 'us-east-1', '11112222333'),
    key(uuid, 'us-east-1', '111122223333', ''),
    key().replace(':kms:', ':s3:'),
    key().replace('key/', 'keys/'),
    key().replace('arn', 'ARN'),
    `x${key()}`,
    `${key()}\n`,
    key().replace(/key\/.*/, 'alias/'),
    key().replace(/key\/.*/, 'alias/a b'),
  ]
  for (const text of bad) {
    test(`none: ${JSON.stringify(text.slice(0, 90))}`, () => assert.equal(parseKmsKeyName(text), undefined))
  }

  test('key ARNs only, of any type', () => {
    assert.deepEqual(
      [undefined, null, 1, {}, [key()]].map((value) => parseKmsKeyArn(value)),
      Array(5).fill(undefined),
    )
  })
})

describe('which key KMS may answer for', () => {
  const cases: [string, string, boolean][] = [
    [key(), key(), true],
    [key(), key('00000000-6aa2-420c-b7ed-92a56c359201'), false],
    [key(), key(uuid, 'eu-west-1'), false],
    [key(), key(uuid, 'us-east-1', '999999999999'), false],
    [key(), key(uuid, 'us-east-1', '111122223333', 'aws-cn'), false],
    [key(mrk), key(mrk), true],
    [key(mrk), key(mrk, 'eu-west-1'), true],
    [key(mrk), key(mrk, 'eu-west-1', '999999999999'), false],
    [key(mrk), key(mrk, 'eu-west-1', '111122223333', 'aws-cn'), false],
    [key(mrk), key(uuid), false],
    [uuid, key(), true],
    [uuid, key(uuid, 'eu-west-1', '999999999999'), true],
    [uuid, key(`0${uuid}`), false],
    [uuid, key(mrk), false],
    [mrk, key(mrk, 'eu-west-1'), true],
    ['alias/a', key(), true],
    ['alias/a', key(mrk, 'eu-west-1'), true],
    [key().replace(/key\/.*/, 'alias/a'), key(), true],
    [key().replace(/key\/.*/, 'alias/a'), key(mrk), true],
    [key().replace(/key\/.*/, 'alias/a'), key(mrk, 'eu-west-1'), false],
    [key().replace(/key\/.*/, 'alias/a'), key(uuid, 'us-east-1', '999999999999'), false],
    [key().replace(/key\/.*/, 'alias/a'), key(uuid, 'us-east-1', '111122223333', 'aws-cn'), false],
  ]
  for (const [configured, used, expected] of cases) {
    test(`${configured}: ${used} ${expected ? 'is' : 'is not'} it`, () => {
      assert.equal(isConfiguredKey(parseKmsKeyName(configured)!, parseKmsKeyArn(used)!), expected)
    })
  }
})
