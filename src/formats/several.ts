import { CseError } from '../errors.js'
import { refuseForeign } from './foreign.js'
import type { BodyEnvelopes, Envelope, Format, InstructionFiles, ObjectMetadata, ObjectName } from './format.js'

/**
 * One format that writes, and others that are read as well: which one an object has its metadata say, or, where they say
 * nothing, its first bytes.
 */
export function severalFormats(writes: Format, others: readonly Format[]): Format {
  const all = [writes, ...others]
  const reservedKeys = new Set(all.flatMap((format) => [...format.reservedKeys]))
  const recognise = (metadata: ObjectMetadata, object: ObjectName): Envelope | undefined => {
    refuseForeign(metadata, reservedKeys, object)
    const found = all.flatMap((format) => format.recognise(metadata, object) ?? [])
    if (found.length < 2) return found[0]
    throw new CseError(
      'ERR_S3CSE_ENVELOPE_INVALID',
      `The envelope of ${object.bucket}/${object.key} is not valid: its metadata have envelopes of several formats.`,
    )
  }
  const instructionFiles = withFiles(all, reservedKeys)
  const bodyEnvelopes = inBodies(all)
  return Object.freeze({
    name: writes.name,
    reservedKeys,
    ...(instructionFiles && { instructionFiles }),
    ...(bodyEnvelopes && { bodyEnvelopes }),
    authenticatedRanges: all.every((format) => format.authenticatedRanges === true),
    check(request) {
      writes.check(request)
      // A context that cannot be written in a format is no reason not to read it: requests may have another.
      for (const format of others) format.check({ ...request, encryptionContext: undefined })
    },
    // What one of them can be read with is no mistake; the others refuse it when they are asked.
    checkRequest(request) {
      const failures: unknown[] = []
      for (const format of all) {
        try {
          format.check(request)
          return
        } catch (error) {
          failures.push(error)
        }
      }
      throw failures[0]
    },
    seal: (request) => writes.seal(request),
    recognise,
  } satisfies Format)
}

/** Of the first that has them: no two do. An object that another format knows has no file. */
function withFiles(all: readonly Format[], reservedKeys: ReadonlySet<string>): InstructionFiles | undefined {
  const owner = all.find(({ instructionFiles }) => instructionFiles !== undefined)
  const files = owner?.instructionFiles
  if (files === undefined) return undefined
  const rest = all.filter((format) => format !== owner)
  return Object.freeze({
    ...files,
    wanted(metadata, object) {
      refuseForeign(metadata, reservedKeys, object)
      const isOthers = rest.some((format) => format.recognise(metadata, object) !== undefined)
      return isOthers ? undefined : files.wanted(metadata, object)
    },
  } satisfies InstructionFiles)
}

function inBodies(all: readonly Format[]): BodyEnvelopes | undefined {
  const found = all.flatMap(({ bodyEnvelopes }) => bodyEnvelopes ?? [])
  if (found.length === 0) return undefined
  return Object.freeze({
    startLength: Math.max(...found.map(({ startLength }) => startLength)),
    recognise(start, object) {
      for (const one of found) {
        const envelope = one.recognise(start, object)
        if (envelope !== undefined) return envelope
      }
      return undefined
    },
  } satisfies BodyEnvelopes)
}
