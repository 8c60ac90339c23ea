import { ALL_KEYS, base64, CBC, COMMITTING, envelopeOf, FORMATS, GCM, LENGTH } from './independent-reader.js'
import type { Envelope, StoredObject } from './independent-reader.js'

/**
 * Throws, and says why, for an object that some official client would refuse, misread or fail to find its way in though
 * a lenient reader opens it. For what the library writes, not for the objects of others.
 */
export function checkStored(stored: StoredObject): void {
  const { metadata, body, instructionFile } = stored
  checkMetadata(metadata)
  if (instructionFile !== undefined) checkFile(instructionFile)
  const envelope = envelopeOf(stored)
  checkKeys(envelope, stored)
  checkValues(envelope)
  checkWrap(envelope)
  checkBody(envelope.content, metadata[LENGTH], body)
}

/** Header values: ASCII, nothing that S3 takes for RFC 2047 or trims, 2 KB together. */
function checkMetadata(metadata: StoredObject['metadata']): void {
  let size = 0
  for (const [name, value] of Object.entries(metadata)) {
    size += Buffer.byteLength(name) + Buffer.byteLength(value)
    if (name !== name.toLowerCase()) refuse(`the name ${name} is not in lower case`)
    const ours = ALL_KEYS.has(name) || name === LENGTH
    if (name.startsWith('x-amz-') && !ours) refuse(`${name} is not one of the envelope's names`)
    if (!ours) continue
    if (!/^[!-~]([ -~]*[!-~])?$/.test(value)) refuse(`${name} is empty, has blanks around it, or is not ASCII`)
    if (value.includes('=?')) refuse(`${name} looks like an RFC 2047 word`)
  }
  if (size > 2048) refuse(`${size} bytes of metadata`)
}

/** The C++ client reads to the first blank; those of Java and Go take text beyond ASCII apart. */
function checkFile(file: string): void {
  if (!/^[!-~]+$/.test(file)) refuse('the instruction file has white space, or is not ASCII')
  checkJson('the instruction file', file)
  for (const [name, value] of Object.entries(JSON.parse(file) as Record<string, string>)) {
    if (!/^[ -~]+$/.test(value)) refuse(`${name} in the instruction file is empty or not ASCII`)
  }
}

const STRING = String.raw`"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"`
const OBJECT = new RegExp(`^\\{(?:${STRING}:${STRING}(?:,${STRING}:${STRING})*)?\\}$`)

/** Compact, strings only, no name twice. */
function checkJson(what: string, json: string): void {
  if (!OBJECT.test(json)) refuse(`${what} is not a compact JSON object of strings`)
  const texts = json.match(new RegExp(STRING, 'g')) ?? []
  const names = texts.filter((_, index) => index % 2 === 0).map((one) => JSON.parse(one) as string)
  if (new Set(names).size < names.length) refuse(`${what} has a name twice`)
}

function checkKeys({ format, content, wrap, map }: Envelope, { metadata, instructionFile }: StoredObject): void {
  const { keys, onObject } = FORMATS[format]
  const left = format === 'V3' ? mapKeys(wrap, map) : content === GCM ? [] : ['x-amz-tag-len']
  const wanted = keys.filter((key) =>
    format === 'V3' ? !/-[mt]$/.test(key) || left.includes(key) : !left.includes(key),
  )
  const separate = instructionFile !== undefined
  const sides: [string, readonly string[], readonly string[]][] = [
    ['the object', Object.keys(metadata).filter((name) => ALL_KEYS.has(name)), separate ? onObject : wanted],
  ]
  if (separate) {
    const inFile = Object.keys(JSON.parse(instructionFile) as object)
    sides.push(['the instruction file', inFile, wanted.filter((key) => !onObject.includes(key))])
  }
  for (const [side, has, expected] of sides) {
    const [a, b] = [[...has].sort().join(' '), [...expected].sort().join(' ')]
    if (a !== b) refuse(`${side} has ${a || 'nothing'} instead of ${b || 'nothing'}`)
  }
}

/** One map, where the wrap looks for it; none where it is empty. */
function mapKeys(wrap: string | undefined, map: Envelope['map']): string[] {
  if (wrap === 'kms+context') return ['x-amz-t']
  return Object.keys(map).length === 0 ? [] : ['x-amz-m']
}

function checkValues({ format, content, values }: Envelope): void {
  const lengths: Readonly<Record<string, number>> =
    format === 'V3' ? { 'x-amz-i': 28, 'x-amz-d': 28 } : { 'x-amz-iv': content === GCM ? 12 : 16 }
  for (const [name, length] of Object.entries(lengths)) {
    const bytes = base64(values[name])
    if (bytes.length !== length) refuse(`${name} has ${bytes.length} bytes instead of ${length}`)
    if (bytes.every((byte) => byte === 0)) refuse(`${name} is zero`)
  }
  if (![GCM, CBC, COMMITTING].includes(content)) refuse(`there is no content ${content}`)
  if (content === COMMITTING && format !== 'V3') refuse(`${content} belongs to V3`)
  for (const name of ['x-amz-matdesc', 'x-amz-m', 'x-amz-t']) {
    const json = values[name]
    if (json !== undefined) checkJson(name, json)
  }
}

const WRAPPED_BYTES: Readonly<Record<string, readonly number[]>> = {
  'AES/GCM': [60],
  AESWrap: [40],
  'RSA-OAEP-SHA1': [256, 384, 512],
  'RSA/ECB/OAEPWithSHA-256AndMGF1Padding': [256, 384, 512],
  kms: [],
  'kms+context': [],
}

function checkWrap({ format, content, wrap, encryptedDataKey: { length }, map }: Envelope): void {
  const reserved = map['aws:x-amz-cek-alg']
  if (reserved !== (wrap === 'kms+context' ? content : undefined)) refuse('aws:x-amz-cek-alg is not as the wrap has it')
  // Readers of V1 tell AES from RSA by the length.
  const lengths = wrap === undefined ? [48, 256, 384, 512] : WRAPPED_BYTES[wrap]
  if (lengths === undefined) refuse(`V2 and V3 have no wrap ${wrap ?? ''}`)
  if (lengths.length > 0 && !lengths.includes(length)) refuse(`the wrapped data key has ${length} bytes`)
  if (wrap === 'kms' && (map['kms_cmk_id'] ?? '') === '') refuse('kms_cmk_id is missing')
  if (format === 'V2' && content === CBC && wrap !== 'kms') refuse(`nothing reads ${content} with ${wrap ?? ''}`)
}

function checkBody(content: string, announced: string | undefined, body: Uint8Array): void {
  const { length } = body
  if (content === CBC ? length === 0 || length % 16 !== 0 : length < 16) refuse(`the body has ${length} bytes`)
  if (announced === undefined) return
  const plain = Number(announced)
  const fits = content === CBC ? plain >= length - 16 && plain < length : plain === length - 16
  if (!/^(0|[1-9]\d*)$/.test(announced) || !fits) refuse(`${LENGTH} is ${announced} for ${length} stored bytes`)
}

function refuse(why: string): never {
  throw new Error(why)
}
