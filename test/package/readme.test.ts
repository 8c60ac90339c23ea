import * as clientS3 from '@aws-sdk/client-s3'
import { randomBytes } from 'node:crypto'
import { startKms, startS3 } from 's3-cse/testing'
import type { KmsServer, S3Server } from 's3-cse/testing'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { commandRules } from '../../src/client/commands.js'
import { remove, root, temporaryDirectory } from '../support/package.js'
import { loadVectors } from '../support/vectors.js'
import { extractSnippets, type Outcome, runSnippets, typeCheck, writeSnippets } from '../support/snippets.js'

const read = (name: string): string => readFileSync(path.join(root, name), 'utf8')
const documents = ['README.md', ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
)
const readme = read('README.md')

/** The key that stands in the documents, as in AWS's own. */
const SAMPLE_KEY = { region: 'eu-central-1', keyId: '1234abcd-12ab-34cd-56ef-1234567890ab' }

/** What other clients wrote, for the documents that name it, with its keys in files: `secret.key`, `private.pem`. */
async function seedOthers(s3: S3Server, kms: KmsServer, directory: string): Promise<void> {
  const text = documents.map(read).join('\n')
  const vectors = loadVectors().filter(({ s3Key }) => text.includes(`'${s3Key}'`))
  assert.ok(vectors.length > 0)
  for (const vector of vectors) {
    await vector.seed(s3, 'my-bucket')
    vector.teach(kms)
    const { secret } = vector
    if (secret !== undefined) await writeFile(path.join(directory, secret.name), secret.bytes)
  }
}

describe('the programs in the documents', () => {
  const found = documents.flatMap((name) => extractSnippets(name, read(name)))
  let directory = ''
  let files: string[] = []
  let outcomes: Outcome[] = []
  const stored: Readonly<Record<string, string>>[] = []

  before(async () => {
    directory = await temporaryDirectory()
    await writeFile(path.join(directory, 'film.mp4'), randomBytes(1_000_000))
    const s3 = await startS3({ buckets: ['my-bucket'], region: SAMPLE_KEY.region })
    const kms = await startKms()
    try {
      kms.createKey(SAMPLE_KEY)
      await seedOthers(s3, kms, directory)
      files = await writeSnippets(directory, found)
      outcomes = await runSnippets(files, {
        AWS_ENDPOINT_URL_S3: s3.endpoint,
        AWS_ENDPOINT_URL_KMS: kms.endpoint,
        AWS_REGION: SAMPLE_KEY.region,
        AWS_ACCESS_KEY_ID: s3.clientConfig.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.clientConfig.credentials.secretAccessKey,
      })
      for (const key of ['greeting', 'greeting-v2']) stored.push((await s3.object('my-bucket', key))?.metadata ?? {})
    } finally {
      await Promise.all([s3.close(), kms.close()])
    }
  })
  after(() => remove(directory))

  test('are there', () => assert.ok(found.length >= 4, `only ${found.length} programs`))

  test('type-check as they stand', () => assert.equal(typeCheck(files), ''))

  for (const [index, { name, prints }] of found.entries()) {
    test(`${name} runs and prints what it says`, () => {
      const { printed, error } = outcomes[index]!
      assert.equal(error, undefined)
      assert.deepEqual(printed, prints)
    })
  }

  test('the metadata shown is the metadata that S3 got, name by name and where it is short value by value', () => {
    const blocks = [...readme.matchAll(/```text\n(x-amz-meta-[\s\S]*?)```/g)].map(([, block]) =>
      block!.trim().split('\n'),
    )
    assert.equal(blocks.length, 2)
    for (const [index, block] of blocks.entries()) {
      const shown = block.map((line) => /^x-amz-meta-(\S+): (\S+)/.exec(line)!)
      assert.deepEqual(shown.map(([, name]) => name).sort(), Object.keys(stored[index]!).sort())
      for (const [, name, value] of shown) {
        if (!value!.endsWith('…')) assert.equal(value, stored[index]![name!], name)
      }
    }
  })
})

describe('what the README says about commands and options', () => {
  const table = readme.slice(readme.indexOf('## Commands'), readme.indexOf('## Testing'))
  const rows = table.split('\n').filter((line) => line.startsWith('| '))
  const named = (...names: string[]): string[] =>
    rows
      .filter((line) => names.includes(line.split('|')[1]!.trim()))
      .flatMap((line) => [...line.matchAll(/`([A-Z]\w+)`/g)].map(([, name]) => `${name!}Command`))
      .sort()
  const ruled = (fits: (rule: unknown) => boolean): string[] =>
    [...commandRules]
      .filter(([, rule]) => fits(rule))
      .map(([name]) => name)
      .sort()

  test('commands are handled and refused as the table says', () => {
    const isObject = (rule: unknown): rule is object => typeof rule === 'object'
    assert.deepEqual(
      named('encrypted, decrypted', 'copied', 'deleted, renamed'),
      ruled((rule) => rule === 'handled'),
    )
    assert.deepEqual(
      named('refused'),
      ruled((rule) => isObject(rule) && 'refuse' in rule),
    )
    const inPart = ruled((rule) => isObject(rule) && 'unless' in rule)
    assert.deepEqual(
      named('refused in part').filter((name) => commandRules.has(name)),
      inPart,
    )
    assert.deepEqual(
      named('passed: objects', 'passed: buckets').filter((name) => commandRules.has(name)),
      ruled((rule) => rule === 'passed'),
    )
  })

  test('the table names every command of the installed SDK', () => {
    const commands = Object.keys(clientS3).filter((name) => /^[A-Z]\w+Command$/.test(name))
    assert.ok(commands.length > 100)
    const all = new Set(
      rows.flatMap((line) => [...line.matchAll(/`([A-Z]\w+)`/g)].map(([, name]) => `${name!}Command`)),
    )
    assert.deepEqual(
      commands.filter((name) => !all.has(name)),
      [],
    )
  })

  test('the table of options has those that EncryptionOptions has', () => {
    const options = /export interface EncryptionOptions \{([\s\S]*?)\n\}/.exec(read('src/client/options.ts'))![1]!
    const names = [...options.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name)
    const rows = readme.slice(readme.indexOf('## Options'), readme.indexOf('## Reads')).matchAll(/^\| `(\w+)`/gm)
    assert.ok(names.length > 5)
    assert.deepEqual(
      [...rows].map(([, name]) => name),
      names,
    )
  })
})

describe('extraction of programs from documents', () => {
  test('one block is one program, `continues` goes on with the one before, lines keep their places', () => {
    const text =
      'a\n```ts\nlet a = 1\n```\n\n<!-- continues -->\n\n```ts\nconsole.log(a) // 1\n```\n```ts\nlet b\n```\n```sh\nls\n```'
    assert.deepEqual(extractSnippets('d', text), [
      { name: 'd:2', code: '\n\nlet a = 1\n\n\n\n\n\nconsole.log(a) // 1', prints: ['1'] },
      { name: 'd:11', code: `${'\n'.repeat(11)}let b`, prints: [] },
    ])
  })

  test('a block without an end, one that continues nothing, and output that is not told are errors', () => {
    assert.throws(() => extractSnippets('d', '```ts\nlet a'), /without an end/)
    assert.throws(() => extractSnippets('d', '<!-- continues -->\n```ts\nlet a\n```'), /continues nothing/)
    assert.throws(() => extractSnippets('d', '```ts\nconsole.log(1)\n```'), /what does this print/)
  })
})
