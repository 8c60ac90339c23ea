import { CseError } from '../errors.js'
import type { BodyEnvelopes, Envelope, Format, InstructionFiles, ObjectMetadata, ObjectName } from './format.js'

/**
 * One format that writes, and others that are read as well: which one an object has its metadata say, or, where they say
 * nothing, its first bytes.
 */
export function severalFormats(writes: Format, others: readonly Format[]): Format {
  if (others.length === 0) return writes
  const all = [writes, ...others]
  const recognise = (metadata: ObjectMetadata, object: ObjectName): Envelope | undefined => {
    const found = all.flatMap((format) => format.recognise(metadata, object) ?? [])
    if (found.length < 2) return found[0]
    throw new CseError(
      'ERR_S3CSE_ENVELOPE_INVALID',
      `The envelope of ${object.bucket}/${object.key} is not valid: its metadata have envelopes of several formats.`,
    )
  }
  const instructionFiles = withFiles(all)
  const bodyEnvelopes = inBodies(all)
  return Object.freeze({
    name: writes.name,
    reservedKeys: new Set(all.flatMap((format) => [...format.reservedKeys])),
    ...(instructionFiles && { instructionFiles }),
    ...(bodyEnvelopes && { bodyEnvelopes }),
    authenticatedRanges: all.every((format) => format.authenticatedRanges === true),
    check(request) {
      writes.check(request)
      // A context that cannot be written in a format is no reason not to read it: requests may have another.
      for (const format of others) format.check({ ...request, encryptionContext: undefined })
    },
    seal: (request) => writes.seal(request),
    recognise,
  } satisfies Format)
}

/** Of the first that has them: no two do. An object that another format knows has no file. */
function withFiles(all: readonly Format[]): InstructionFiles | undefined {
  const owner = all.find(({ instructionFiles }) => instructionFiles !== undefined)
  const files = owner?.instructionFiles
  if (files === undefined) return undefined
  const rest = all.filter((format) => format !== owner)
  return Object.freeze({
    ...files,
    wanted: (metadata, object) =>
      rest.some((format) => format.recognise(metadata, object) !== undefined)
        ? undefined
        : files.wanted(metadata, object),
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
