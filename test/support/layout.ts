import path from 'node:path'
import { importsOf, type ImportOf } from './imports.js'

/** Which of the others a part of src may import, itself apart. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  bytes: ['errors', 'runtime'],
  runtime: ['errors', 'bytes'],
  crypto: ['errors', 'bytes', 'runtime'],
  message: ['errors', 'bytes', 'runtime', 'crypto'],
  // An entry of its own, with its folder.
  gcm: ['errors', 'bytes', 'runtime', 'crypto', 'message'],
  keyrings: ['errors', 'bytes', 'runtime', 'crypto', 'message'],
  formats: ['errors', 'bytes', 'runtime', 'crypto', 'message', 'keyrings'],
  client: ['errors', 'bytes', 'runtime', 'crypto', 'message', 'keyrings', 'formats'],
  // The functions of s3-cse/esdk without S3.
  esdk: ['errors', 'bytes', 'runtime', 'crypto', 'message', 'keyrings', 'formats'],
  // The same of s3-cse/crypt4gh, and its key files.
  crypt4gh: ['errors', 'bytes', 'runtime', 'crypto', 'message', 'keyrings', 'formats'],
  // Entry points: index.ts and kms.ts re-export only.
  index: ['errors', 'bytes', 'runtime', 'crypto', 'message', 'keyrings', 'formats', 'client'],
  kms: ['keyrings'],
  'aws-crypto': ['keyrings'],
  testing: ['errors'],
}

/** The parts that have to be there, so that an empty or moved src does not pass. */
export const REQUIRED_PARTS: readonly string[] = Object.keys(MAY_IMPORT)

/**
 * Interfaces that lower parts implement. crypto/ has the GCM message that message/ runs bodies through; a type-only
 * import of the interface is the compiler's check that it fits and leaves no trace at run time.
 */
const INTERFACE_FILES: ReadonlySet<string> = new Set(['message/sealer.ts', 'message/opener.ts'])

/** A keyring's files begin with its word (kms.ts, kms-discovery.ts); the other files of keyrings/ are shared by all. */
const KEYRINGS: ReadonlySet<string> = new Set(['aes', 'rsa', 'kms', 'x25519', 'multi', 'caching', 'aws'])

const isKms = (file: string): boolean => /^keyrings\/kms[.-]/.test(file)
/** What may need the packages of @noble, which are optional as well. */
const isCrypt4gh = (file: string): boolean => /^(keyrings\/x25519[.-]|formats\/crypt4gh\/|crypt4gh\/)/.test(file)
const isAwsCrypto = (file: string): boolean => /^keyrings\/aws-/.test(file)

/** Which imports of which packages are right where; all else is wrong. */
const PACKAGES: readonly { name: RegExp; where: (file: string) => boolean; typesOnly: boolean; rule: string }[] = [
  {
    name: /^node:/,
    where: (file) => /^runtime\/node[.-]/.test(file) || file.startsWith('testing/'),
    typesOnly: false,
    rule: 'node: modules belong in runtime/node*.ts and testing/',
  },
  {
    name: /^#runtime(\/crypt4gh|\/key-files)?$/,
    where: (file) => !['errors', 'bytes', 'runtime', 'testing'].includes(partOf(file)),
    typesOnly: false,
    rule: '#runtime is for crypto/ and what stands above it',
  },
  {
    name: /^@aws-sdk\/client-s3$/,
    where: (file) => partOf(file) === 'client',
    typesOnly: false,
    rule: 'only client/ knows the S3 client',
  },
  {
    name: /^@aws-sdk\/client-kms$/,
    where: isKms,
    typesOnly: false,
    rule: 'only keyrings/kms*.ts knows the KMS client',
  },
  {
    name: /^@noble\//,
    where: (file) => /^runtime\/(noble|browser)-/.test(file),
    typesOnly: false,
    rule: '@noble is for what stands in where a runtime lacks a cipher',
  },
  {
    name: /^@aws-crypto\//,
    where: isAwsCrypto,
    typesOnly: false,
    rule: 'only keyrings/aws-crypto.ts knows the AWS Encryption SDK',
  },
  {
    name: /^@smithy\/types$/,
    where: (file) => partOf(file) === 'client',
    typesOnly: true,
    rule: '@smithy/types is for types in client/',
  },
]

/** What breaks the order of src: one line a fault, empty if all is well. `sources` as `readSources('src')` gives them. */
export function layoutFaults(sources: ReadonlyMap<string, string>): string[] {
  const faults: string[] = []
  const graph = new Map<string, Edge[]>()
  const parts = new Set([...sources.keys()].map(partOf))
  for (const part of REQUIRED_PARTS) if (!parts.has(part)) faults.push(`src has no ${part}`)
  for (const [file, text] of sources) {
    if (MAY_IMPORT[partOf(file)] === undefined) faults.push(`${file}: ${partOf(file)} is not a part that is known`)
    if (partOf(file) === 'keyrings' && keyringOf(file) === undefined && /export function \w+Keyring\b/.test(text)) {
      faults.push(`${file}: exports a keyring, but its name does not begin with a known keyring's word`)
    }
    const edges: Edge[] = []
    for (const one of importsOf(file, text)) {
      if (!one.specifier.startsWith('.')) {
        faults.push(...packageFaults(file, one))
        continue
      }
      const target = path.posix.join(path.posix.dirname(file), one.specifier).replace(/\.js$/, '.ts')
      if (!one.specifier.endsWith('.js') || !sources.has(target)) {
        faults.push(`${file}: there is no ${one.specifier}`)
        continue
      }
      edges.push({ target, typeOnly: one.typeOnly })
      const fault = relativeFault(file, target, one.typeOnly)
      if (fault !== undefined) faults.push(`${file} imports ${target}: ${fault}`)
    }
    graph.set(file, edges)
  }
  return [
    ...faults,
    ...optionalFaults(graph, isKms, 'kms.ts'),
    ...optionalFaults(graph, isAwsCrypto, 'aws-crypto.ts'),
    ...optionalFaults(graph, isCrypt4gh, 'crypt4gh.ts'),
    ...cycles(graph),
  ]
}

interface Edge {
  readonly target: string
  readonly typeOnly: boolean
}

function partOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '')
}

function keyringOf(file: string): string | undefined {
  const word = path.posix.basename(file, '.ts').split('-')[0]!
  return KEYRINGS.has(word) ? word : undefined
}

/** The folder of a format, or undefined for the files that all formats share. */
function formatOf(file: string): string | undefined {
  const [, folder, ...rest] = file.split('/')
  return rest.length > 0 ? folder : undefined
}

function packageFaults(file: string, one: ImportOf): string[] {
  const entry = PACKAGES.find(({ name }) => name.test(one.specifier))
  if (entry === undefined) return [`${file} imports ${one.specifier}: no other package is used`]
  if (!entry.where(file)) return [`${file} imports ${one.specifier}: ${entry.rule}`]
  if (entry.typesOnly && !one.typeOnly) return [`${file} imports a value of ${one.specifier}: ${entry.rule}`]
  return []
}

function relativeFault(file: string, target: string, typeOnly: boolean): string | undefined {
  const [from, to] = [partOf(file), partOf(target)]
  if (to === 'runtime') return runtimeFault(file, target, typeOnly)
  if (from === to) {
    if (from !== 'keyrings' && from !== 'formats') return undefined
    const [own, other] = from === 'keyrings' ? [keyringOf(file), keyringOf(target)] : [formatOf(file), formatOf(target)]
    if (other === undefined || other === own) return undefined
    return own === undefined ? 'a shared file needs one of those that share it' : 'siblings do not import each other'
  }
  if (typeOnly && from === 'crypto' && INTERFACE_FILES.has(target)) return undefined
  return MAY_IMPORT[from]?.includes(to) === true ? undefined : 'against the direction of dependencies'
}

/** runtime/ is seen from outside as `#runtime` and as the types of runtime.ts; node and browser know nothing of each other. */
function runtimeFault(file: string, target: string, typeOnly: boolean): string | undefined {
  if (partOf(file) !== 'runtime') {
    if (target !== 'runtime/runtime.ts' || !typeOnly) return 'values come from #runtime, types from runtime/runtime.ts'
    return MAY_IMPORT[partOf(file)]?.includes('runtime') === true ? undefined : 'against the direction of dependencies'
  }
  const side = (name: string): string | undefined => /^runtime\/(node|browser)\b/.exec(name)?.[1]
  const other = side(target)
  return other === undefined || other === side(file) ? undefined : `${other} is for its own files`
}

/**
 * The KMS client, the AWS Encryption SDK and the ciphers that stand in are optional: not even a type of them may be reached from index.ts, whose
 * declarations would then need it.
 */
function optionalFaults(
  graph: ReadonlyMap<string, readonly Edge[]>,
  belongs: (file: string) => boolean,
  entry: string,
): string[] {
  const fromIndex = reached(graph, 'index.ts')
  const fromEntry = reached(graph, entry)
  return [...graph.keys()]
    .filter(belongs)
    .flatMap((file) => [
      ...(fromIndex.has(file) ? [`${file} is reached from index.ts`] : []),
      ...(fromEntry.has(file) ? [] : [`${file} is not reached from ${entry}`]),
    ])
}

function reached(graph: ReadonlyMap<string, readonly Edge[]>, start: string): Set<string> {
  const seen = new Set<string>()
  const todo = [start]
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    todo.push(...(graph.get(file) ?? []).map(({ target }) => target))
  }
  return seen
}

function cycles(graph: ReadonlyMap<string, readonly Edge[]>): string[] {
  const values = new Map([...graph].map(([file, edges]) => [file, edges.filter(({ typeOnly }) => !typeOnly)]))
  const faults: string[] = []
  for (const [file, edges] of values) {
    if (edges.some(({ target }) => reached(values, target).has(file))) faults.push(`${file} imports itself in a circle`)
  }
  return faults
}
