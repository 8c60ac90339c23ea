import { runtime } from '#runtime'
import { sourceOfBytes } from '../bytes/body.js'
import { peekable } from '../bytes/peekable.js'
import { resources } from '../bytes/resources.js'
import type { BodyEnvelopes, Envelope, ObjectName } from '../formats/format.js'
import type { ByteSource, MaybePromise } from '../runtime/runtime.js'
import type { CseError } from '../errors.js'
import { collectUntilAborted } from './collect-body.js'
import { pinnedInput } from './reading.js'
import type { GetContext } from './reading.js'
import { fileMismatch } from './file-mismatch.js'
import { recogniseStart } from './body-envelope.js'
import { fileWanted, locateEnvelope } from './locate-envelope.js'
import { recogniseObject } from './open-object.js'
import { outputBody } from './output-body.js'
import { statusOf, untilAborted } from './sdk.js'
import type { Output, Result } from './sdk.js'

/** Up to here, in bytes, a body is kept while its instruction file is read: what a socket buffers anyway. */
const SMALL_BODY = 64 * 1024

/** A response whose envelope is known. */
export interface FoundResponse {
  readonly result: Result
  readonly envelope: Envelope | undefined
  /** The stored bytes, if they were read already. */
  readonly source: ByteSource | undefined
  /** The body was given back: what is needed has to be asked for again. */
  readonly spent: boolean
}

/** The envelope of an output, without its body. */
export function envelopeOf(
  g: GetContext,
  output: Output,
  object: ObjectName,
  start?: (count: number) => Promise<Uint8Array>,
): Promise<Envelope | undefined> {
  const { client, settings, args, signal, again } = g
  return locateEnvelope({ client, settings, input: args.input, object, signal, again, start }, output)
}

/**
 * Finds the envelope of a response. While an instruction file is asked for the response's body must not hold its socket:
 * as many reads as the client has sockets would wait for each other for ever. So a small body is read first, and a larger
 * one is given up. It has to be asked for again, pinned to what was found: of a plain object that is done here, if
 * `takesPlain` says so; of another when its envelope has been opened, for which further files may be asked for.
 */
export function foundResponse(
  g: GetContext,
  response: { readonly result: Result; readonly body: () => ByteSource },
  object: ObjectName,
  takesPlain: (output: Output) => boolean,
): MaybePromise<FoundResponse> {
  const { result } = response
  const wanted = fileWanted(g.settings, result.output, object)
  const { bodyEnvelopes } = g.settings.format
  if (wanted === 'needed') return withFile(g, response, object, takesPlain)
  const envelope = wanted === undefined ? recogniseObject(g.settings, result.output, object) : undefined
  if (envelope === undefined && bodyEnvelopes !== undefined) {
    return withStart(g, response, object, { wanted, takesPlain, bodyEnvelopes })
  }
  if (wanted === 'possible') return withFile(g, response, object, takesPlain)
  return { result, envelope, source: undefined, spent: false }
}

/** The metadata show no envelope: the first bytes may be one. */
async function withStart(
  g: GetContext,
  { result, body }: { readonly result: Result; readonly body: () => ByteSource },
  object: ObjectName,
  { wanted, takesPlain, bodyEnvelopes }: StartLooking,
): Promise<FoundResponse> {
  const source = peekable(body())
  const start = await untilAborted(source.start(bodyEnvelopes.startLength), g.signal)
  const envelope = recogniseStart(bodyEnvelopes, start, object, () => takesPlain(result.output))
  if (envelope === undefined && wanted === 'possible') {
    // It is none: nothing more is to be seen in it.
    const nothing = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(0))
    return withFile(g, { result, body: () => source }, object, takesPlain, nothing)
  }
  return { result, envelope, source, spent: false }
}

interface StartLooking {
  readonly wanted: 'possible' | undefined
  readonly takesPlain: (output: Output) => boolean
  readonly bodyEnvelopes: BodyEnvelopes
}

async function withFile(
  g: GetContext,
  { result, body }: { readonly result: Result; readonly body: () => ByteSource },
  object: ObjectName,
  takesPlain: (output: Output) => boolean,
  start?: (count: number) => Promise<Uint8Array>,
): Promise<FoundResponse> {
  const { output } = result
  const kept = await keepSmall(g, body(), output)
  const envelope = await envelopeOf(g, output, object, start)
  if (kept !== undefined) return { result, envelope, source: sourceOfBytes(kept, SMALL_BODY), spent: false }
  if (envelope !== undefined || !takesPlain(output)) return { result, envelope, source: undefined, spent: true }
  const again = await pinned(g, output, object)
  if (recogniseObject(g.settings, again.output, object) === undefined) {
    return { result: again, envelope, source: undefined, spent: false }
  }
  runtime.source(again.output.Body).cancel()
  throw fileMismatch(`${object.bucket}/${object.key} was replaced while it was read: read it again`)
}

/** The body, if it is small; otherwise it is cancelled. */
async function keepSmall(
  { signal }: GetContext,
  source: ByteSource,
  { ContentLength }: Output,
): Promise<Uint8Array | undefined> {
  if (typeof ContentLength !== 'number' || ContentLength > SMALL_BODY) {
    source.cancel()
    return undefined
  }
  // Also one byte too many is kept, to be seen where the length is checked.
  const tooLong = (): CseError => fileMismatch('The body is longer than its Content-Length')
  return collectUntilAborted(source, SMALL_BODY + 1, tooLong, signal)
}

/** The same range of the same version once more. */
async function pinned(g: GetContext, first: Output, object: ObjectName): Promise<Result> {
  const { input } = g.args
  const again = { ...pinnedInput(input, first), ...(input.Range === undefined ? {} : { Range: input.Range }) }
  try {
    return await g.next({ ...g.args, input: again })
  } catch (error) {
    if (statusOf(error) !== 412) throw error
    throw fileMismatch(`${object.bucket}/${object.key} was replaced while it was read: read it again`)
  }
}

/** Puts bytes that were read already back into the output of a plain object. */
export function restoreBody(g: GetContext, output: Output, source: ByteSource): void {
  const kind = runtime.streamKind(output.Body) ?? 'node'
  const held = resources()
  held.hold((error) => source.cancel(error))
  output.Body = outputBody(source, { config: g.config, signal: g.signal, kind, resources: held })
}
