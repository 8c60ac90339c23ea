import { decodeBase64 } from '../../bytes/base64.js'
import type { Context } from '../../keyrings/keyring.js'
import type { ObjectName } from '../format.js'
import { commitmentLength, messageIdLength } from './derive.js'
import type { Detected } from './detect.js'
import type { EnvelopeVersion } from './envelope-keys.js'
import { decodeHeaderText } from './header-text.js'
import { maxInstructionFileLength } from './instruction-file.js'
import { parseJsonMap } from './json-map.js'
import { invalidEnvelope, shown } from './messages.js'
import { cbcSuite, storedSuite, type SuiteRow } from './suites.js'
import { bindsContext, maxEncryptedDataKeyLength, wrapByCode, wrapByLength, wrapByName, type WrapRow } from './wraps.js'

/** An envelope, parsed; every length is checked. */
export interface StoredEnvelope {
  readonly version: EnvelopeVersion
  readonly suite: SuiteRow
  /** The suite's name as stored. */
  readonly contentAlgorithm: string
  readonly wrap: WrapRow
  readonly encryptedDataKey: Uint8Array
  /** V1, V2: `x-amz-iv`. V3: the message id. */
  readonly nonce: Uint8Array
  /** V3 only. */
  readonly commitment?: Uint8Array
  readonly context: Context
  /** The key of the instruction file that it came from. */
  readonly instructionFile: string | undefined
}

type Decoded = Omit<StoredEnvelope, 'instructionFile'>

/** Throws ERR_S3CSE_ENVELOPE_INVALID for everything that is not exactly as the format has it. */
export function decodeEnvelope(
  detected: Detected,
  object: ObjectName,
  instructionFile: string | undefined,
): StoredEnvelope {
  const reader = new Values(detected, object)
  const { version } = detected
  const decoded = version === 'V3' ? decodeV3(reader) : version === 'V2' ? decodeV2(reader) : decodeV1(reader)
  const { suite, wrap, contentAlgorithm } = decoded
  // A pair that no writer makes is one that somebody has relabelled.
  if (suite.wraps[version]?.includes(wrap.name) !== true) {
    throw reader.invalid(`no writer of format ${version} uses ${contentAlgorithm} with the wrap ${wrap.name}.`)
  }
  return { ...decoded, instructionFile }
}

function decodeV1(values: Values): Decoded {
  const encryptedDataKey = values.encryptedDataKey('x-amz-key')
  return {
    version: 'V1',
    suite: cbcSuite,
    contentAlgorithm: String(cbcSuite.stored[0]),
    wrap: values.wrap('x-amz-key', wrapByLength(encryptedDataKey.length)),
    encryptedDataKey,
    nonce: values.bytes('x-amz-iv', cbcSuite.ivLength),
    context: values.map('x-amz-matdesc'),
  }
}

function decodeV2(values: Values): Decoded {
  const { suite, name } = values.suite('V2', 'x-amz-cek-alg')
  const tagLength = values.optional('x-amz-tag-len')
  // CBC has no tag, and its writers no tag length, or (Go) an empty one.
  const expected = suite.tagLength === 0 ? '' : String(suite.tagLength * 8)
  if (tagLength !== undefined && tagLength !== expected) {
    throw values.invalid(`x-amz-tag-len is ${shown(tagLength)} where ${name} has ${expected || 'none'}.`)
  }
  return {
    version: 'V2',
    suite,
    contentAlgorithm: name,
    wrap: values.wrap('x-amz-wrap-alg', wrapByName(values.text('x-amz-wrap-alg'))),
    encryptedDataKey: values.encryptedDataKey('x-amz-key-v2'),
    nonce: values.bytes('x-amz-iv', suite.ivLength),
    context: values.map('x-amz-matdesc'),
  }
}

function decodeV3(values: Values): Decoded {
  const { suite, name } = values.suite('V3', 'x-amz-c')
  const wrap = values.wrap('x-amz-w', wrapByCode(values.text('x-amz-w')))
  // C++ writes every map to x-amz-t, also the materials description of a raw key.
  const mapKey = bindsContext(wrap) || values.text('x-amz-m') === '' ? 'x-amz-t' : 'x-amz-m'
  return {
    version: 'V3',
    suite,
    contentAlgorithm: name,
    wrap,
    encryptedDataKey: values.encryptedDataKey('x-amz-3'),
    nonce: values.bytes('x-amz-i', messageIdLength),
    commitment: values.bytes('x-amz-d', commitmentLength),
    context: values.map(mapKey),
  }
}

/** Typed access to the values, with errors that name key and object and never the value of a key or a context. */
class Values {
  readonly #values: ReadonlyMap<string, string>
  readonly #fromFile: boolean
  readonly #object: ObjectName

  constructor({ values, fromFile }: Detected, object: ObjectName) {
    this.#values = values
    this.#fromFile = fromFile
    this.#object = object
  }

  invalid(problem: string): Error {
    return invalidEnvelope(this.#object, problem)
  }

  optional(key: string): string | undefined {
    return this.#values.get(key)
  }

  /** Empty where absent: the rule for optional values, and no required value is valid when empty. */
  text(key: string): string {
    return this.#values.get(key) ?? ''
  }

  suite(version: EnvelopeVersion, key: string): { suite: SuiteRow; name: string } {
    const name = this.text(key)
    const suite = storedSuite(version, name)
    if (suite === undefined) throw this.invalid(`${key} names no content algorithm of ${version}: ${shown(name)}.`)
    return { suite, name }
  }

  wrap(key: string, found: WrapRow | undefined): WrapRow {
    if (found === undefined) throw this.invalid(`${key} names no wrapping algorithm: ${shown(this.text(key))}.`)
    return found
  }

  bytes(key: string, length: number): Uint8Array {
    const bytes = this.#base64(key)
    if (bytes.length !== length) throw this.invalid(`${key} has ${bytes.length} bytes instead of ${length}.`)
    return bytes
  }

  encryptedDataKey(key: string): Uint8Array {
    const bytes = this.#base64(key)
    if (bytes.length === 0 || bytes.length > maxEncryptedDataKeyLength) {
      throw this.invalid(`${key} has ${bytes.length} bytes, and 1 to ${maxEncryptedDataKeyLength} are possible.`)
    }
    return bytes
  }

  map(key: string): Context {
    const text = this.text(key)
    const map = this.#fromFile ? parseJsonMap(text, maxInstructionFileLength) : parseJsonMap(decodeHeaderText(text))
    if (map === undefined) throw this.invalid(`${key} is not a JSON object of strings, each key once.`)
    return map
  }

  #base64(key: string): Uint8Array {
    const bytes = decodeBase64(this.text(key))
    if (bytes === undefined) throw this.invalid(`${key} is not canonical Base64.`)
    return bytes
  }
}
