import { build, type Metafile } from 'esbuild'
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import ts from 'typescript'
import { importsOf } from '../support/imports.js'
import { buildPackage, makeProject, remove, run, temporaryDirectory } from '../support/package.js'

interface Manifest {
  exports: Record<string, string | Record<string, string>>
  imports: Record<string, Record<string, string>>
  dependencies?: Record<string, string>
}

// What a user types who needs no KMS, and what one types who does.
const CORE = `import { S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring } from 's3-cse'

const s3: S3Client = addEncryption(new S3Client({ region: 'eu-central-1' }), {
  keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }),
})
console.log(typeof s3.send)
`
const ALL = `import { GetObjectCommand, PutObjectCommand, S3, S3Client } from '@aws-sdk/client-s3'
import { KMSClient } from '@aws-sdk/client-kms'
import {
  addEncryption, CseError, type CseErrorCode, DecryptionError, encryptedView, encryptionInfo, type EncryptionOptions,
  type Keyring, KmsError, NotEncryptedError, PolicyError, removeEncryption, requestOptions, rsaKeyring, s3ec,
} from 's3-cse'
import { kmsDiscoveryKeyring, kmsKeyring } from 's3-cse/kms'
import { decryptStream, encryptStream, type GcmEncryption, type ByteStream } from 's3-cse/gcm'
import { decrypt, encrypt, esdk, openRange, type MessageDecryption, decryptStream as readMessage } from 's3-cse/esdk'
import { crypt4gh, type SecretKeyFile, x25519Keyring } from 's3-cse/crypt4gh'
import { startKms, startS3 } from 's3-cse/testing'

export const sealed: GcmEncryption = encryptStream([new Uint8Array(3)], { key: new Uint8Array(16) })
export const opened: ByteStream = decryptStream(sealed, { key: new Uint8Array(16), iv: sealed.iv, tag: sealed.tag })
export const keyring: Keyring = kmsKeyring({ client: new KMSClient({}), keyId: 'alias/a', grantTokens: ['t'] })
export const options: EncryptionOptions = { keyring, format: s3ec(), commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }
export const messages: EncryptionOptions = { keyring, format: esdk({ frameLength: 4096 }), alsoRead: [s3ec()] }
export const recipients = (file: SecretKeyFile): EncryptionOptions => ({ keyring: x25519Keyring({ secretKey: file }), format: crypt4gh() })
export const message: MessageDecryption = readMessage([new Uint8Array(3)], { keyring })
export const parts = [decrypt, encrypt, openRange]
export const aggregated: S3 = addEncryption(new S3({}), options)
export const view: S3Client = encryptedView(new S3Client({}), { keyring: rsaKeyring({ publicKey: 'pem' }) })
export const put = new PutObjectCommand(
  requestOptions({ Bucket: 'b', Key: 'k', Body: new ArrayBuffer(3) }, { encryptionContext: { tenant: 'a' } }),
)
export async function read(): Promise<string> {
  const output = await aggregated.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }))
  const body: string = await output.Body!.transformToString()
  return body + String(encryptionInfo(output))
}
export const codes = (e: CseError | DecryptionError | NotEncryptedError | PolicyError | KmsError): CseErrorCode => e.code
export const others = [removeEncryption, kmsDiscoveryKeyring, startKms, startS3]
// @ts-expect-error A keyring is required.
addEncryption(new S3Client({}), {})
// @ts-expect-error An option that does not exist.
addEncryption(new S3Client({}), { keyring, keyrings: [] })
`

describe('the package as it is installed', () => {
  let directory = ''
  let unpacked = ''
  let lean = '' // without the KMS client
  let full = ''

  before(async () => {
    directory = await temporaryDirectory()
    unpacked = await buildPackage(directory)
    const packages = ['@aws-sdk/client-s3', '@smithy/types', '@types/node']
    await makeProject((lean = path.join(directory, 'lean')), unpacked, packages)
    await makeProject((full = path.join(directory, 'full')), unpacked, [...packages, '@aws-sdk/client-kms'])
    for (const project of [lean, full]) {
      await writeFile(path.join(project, 'package.json'), '{ "type": "module" }')
      await writeFile(path.join(project, 'core.ts'), CORE)
      await writeFile(path.join(project, 'all.ts'), ALL)
    }
  })
  after(() => remove(directory))

  const evaluate = (project: string, code: string): Promise<string> =>
    run(process.execPath, ['--no-warnings', '--input-type=module', '--eval', code], project)
  const manifest = (): Manifest => JSON.parse(readFileSync(path.join(unpacked, 'package.json'), 'utf8')) as Manifest

  test('holds what its manifest names, and neither tests nor checkout files', () => {
    const { exports, imports } = manifest()
    const targets = [...Object.values(exports), ...Object.values(imports)]
      .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
      .filter((target) => !existsSync(path.join(unpacked, target)))
    assert.deepEqual(targets, [])
    const top = readdirSync(unpacked).sort()
    assert.deepEqual(top, [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'dist',
      'docs',
      'package.json',
      'src',
    ])
  })

  test('depends on types only at run time', () => {
    assert.deepEqual(Object.keys(manifest().dependencies ?? {}), ['@smithy/types'])
    const dist = path.join(unpacked, 'dist')
    const names = readdirSync(dist, { recursive: true }).map(String)
    const scripts = names.filter((name) => name.endsWith('.js'))
    assert.ok(scripts.length > 10)
    const packages = scripts.flatMap((name) =>
      importsOf(name, readFileSync(path.join(dist, name), 'utf8'))
        .map(({ specifier }) => specifier)
        .filter((specifier) => !/^(\.|node:|#runtime$|#runtime\/(crypt4gh|key-files)$)/.test(specifier)),
    )
    // Peers, of which all but the S3 client are optional.
    const peers =
      /^@aws-sdk\/client-(s3|kms)$|^@aws-crypto\/material-management-node$|^@noble\/(ciphers|curves|hashes)\//
    assert.deepEqual(
      [...new Set(packages)].sort().filter((name) => !peers.test(name)),
      [],
    )
  })

  test('`.` and `./testing` load where the KMS client is not installed, `./kms` does not', async () => {
    const code = (name: string): string => `console.log(Object.keys(await import('${name}')).sort().join())`
    const names = (await evaluate(lean, code('s3-cse'))).trim().split(',')
    const expected = ['CseError', 'DecryptionError', 'KmsError', 'NotEncryptedError', 'PolicyError', 'RotationError']
    expected.push('addEncryption', 'aesKeyring', 'cachingKeyring', 'download', 'encryptedView', 'encryptionInfo')
    expected.push('exportUpload', 'importReceipts', 'importUpload', 'inspect', 'multiKeyring', 'plaintextSizes')
    expected.push('reEncryptInstructionFile', 'rearrange', 'reencrypt', 'removeEncryption', 'requestOptions')
    expected.push('rotateKey', 'rsaKeyring', 's3ec', 'sesMail', 'uploadReceipt')
    assert.deepEqual(names, expected)
    assert.equal(
      (await evaluate(lean, code('s3-cse/gcm'))).trim(),
      'CseError,DecryptionError,decrypt,decryptStream,encrypt,encryptStream,openSeekable,openSeekableUnverified',
    )
    // Node needs no other ciphers for it.
    assert.match(await evaluate(lean, code('s3-cse/crypt4gh')), /crypt4gh,.*openRange,.*readSecretKey,.*x25519Keyring/)
    const pair = `const { generateKeyPair, encrypt, x25519Keyring } = await import('s3-cse/crypt4gh')
      const keyring = x25519Keyring({ secretKey: await generateKeyPair() })
      console.log((await encrypt(new Uint8Array(3), { keyring })).message.length)`
    assert.equal((await evaluate(lean, pair)).trim(), String(124 + 28 + 3))
    assert.match(await evaluate(lean, code('s3-cse/testing')), /startKms,startS3/)
    await assert.rejects(
      evaluate(lean, code('s3-cse/kms')),
      /ERR_MODULE_NOT_FOUND[\s\S]*@aws-sdk\/client-kms|client-kms/,
    )
    await assert.rejects(
      evaluate(lean, code('s3-cse/aws-crypto')),
      /ERR_MODULE_NOT_FOUND[\s\S]*@aws-crypto\/material-management-node/,
    )
    assert.equal((await evaluate(full, code('s3-cse/kms'))).trim(), 'kmsDiscoveryKeyring,kmsKeyring')
  })

  for (const platform of ['browser', 'node'] as const) {
    test(`a bundle for ${platform} of addEncryption and aesKeyring has no KMS, testing or other format`, async () => {
      const metafile = await bundle(platform)
      const inputs = Object.entries(metafile.outputs['core.js']!.inputs)
        .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
        .map(([name]) => name)
      const own = inputs.flatMap((name) => /node_modules\/s3-cse\/dist\/(.*)/.exec(name)?.[1] ?? [])
      assert.ok(own.includes('keyrings/aes.js') && own.includes(`runtime/${platform}.js`), own.join())
      const other = platform === 'node' ? 'browser' : 'node'
      const unwanted = [
        /client-kms/,
        /^s3-cse\/dist\/(kms\.js|testing\/)/,
        /^s3-cse\/dist\/keyrings\/(kms|rsa|x25519|multi|caching)/,
        /^s3-cse\/dist\/formats\/(?!s3ec\/)[^/]+\//,
        new RegExp(`^s3-cse/dist/runtime/${other}`),
      ]
      const names = inputs.map((name) => name.replace(/^.*node_modules\//, ''))
      assert.deepEqual(
        names.filter((name) => unwanted.some((pattern) => pattern.test(name))),
        [],
      )
      if (platform === 'browser') {
        const builtin = Object.values(metafile.inputs).flatMap(({ imports }) => imports.map((one) => one.path))
        assert.deepEqual(
          builtin.filter((name) => name.startsWith('node:')),
          [],
        )
      }
    })
  }

  async function bundle(platform: 'browser' | 'node'): Promise<Metafile> {
    const { metafile, errors, warnings } = await build({
      absWorkingDir: lean,
      entryPoints: ['core.ts'],
      outfile: 'core.js',
      write: false,
      bundle: true,
      metafile: true,
      format: 'esm',
      platform,
      logLevel: 'silent',
    })
    assert.deepEqual([...errors, ...warnings.filter(({ text }) => text.includes('s3-cse'))], [])
    return metafile
  }

  for (const [name, module, resolution] of [
    ['bundler', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
    ['nodenext', ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
  ] as const) {
    test(`types check in a strict program with ${name} resolution, the declarations themselves too`, () => {
      const leanDeclarations = check(lean, ['core.ts'], module, resolution)
      const fullDeclarations = check(full, ['all.ts'], module, resolution)
      assert.ok(leanDeclarations.some((file) => file.endsWith('dist/index.d.ts')))
      assert.ok(fullDeclarations.some((file) => file.endsWith('dist/kms.d.ts')))
    })
  }

  test('declarations of `.` and `./kms` name nothing of Node, and those of `.` no KMS client', () => {
    for (const [entry, forbidden] of [
      ['core.ts', /\bBuffer\b|\bNodeJS\b|'node:|#runtime|client-kms/],
      ['all.ts', /\bBuffer\b|\bNodeJS\b|'node:|#runtime/],
    ] as const) {
      const project = entry === 'core.ts' ? lean : full
      const files = check(project, [entry], ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext)
      const own = files.filter((file) => !file.includes('/dist/testing/'))
      assert.ok(own.length > 1)
      // Comments may speak of Node; code may not.
      const code = own.map(
        (file) => [file, readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')] as const,
      )
      assert.deepEqual(
        code.filter(([, text]) => forbidden.test(text)).map(([file]) => path.basename(file)),
        [],
      )
    }
  })
})

const checked = new Map<string, string[]>()

/** Type-checks programs and the package's declarations that they reach; returns the latter's paths. Each is done once. */
function check(
  ...what: [project: string, files: readonly string[], module: ts.ModuleKind, resolution: ts.ModuleResolutionKind]
): string[] {
  const known = checked.get(JSON.stringify(what)) ?? typeCheck(...what)
  checked.set(JSON.stringify(what), known)
  return known
}

function typeCheck(
  project: string,
  files: readonly string[],
  module: ts.ModuleKind,
  moduleResolution: ts.ModuleResolutionKind,
): string[] {
  const program = ts.createProgram(
    files.map((file) => path.join(project, file)),
    {
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
      module,
      moduleResolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [path.join(project, 'node_modules/@types')],
    },
  )
  const sources = program.getSourceFiles()
  const declarations = sources.filter(({ fileName }) => fileName.includes('/node_modules/s3-cse/dist/'))
  // The SDK's own declarations are not ours to check.
  const subject = [...sources.filter(({ fileName }) => files.includes(path.basename(fileName))), ...declarations]
  const found = subject.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ])
  const all = [...program.getOptionsDiagnostics(), ...found]
  assert.equal(
    ts.formatDiagnostics(all, {
      getCanonicalFileName: String,
      getCurrentDirectory: () => project,
      getNewLine: () => '\n',
    }),
    '',
  )
  return declarations.map(({ fileName }) => fileName)
}
