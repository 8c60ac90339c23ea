import { s3ec } from '../../src/index.js'
import type { Format } from '../../src/index.js'
import type { OpenRequest } from '../../src/formats/format.js'
import type { PositionalSealer, Sealer } from '../../src/message/sealer.js'

/** S3EC's messages, by a format that seals whole segments of `alignment` bytes only. */
export function alignedFormat(alignment: number, resumes: boolean = true): Format {
  const format = s3ec()
  const aligned = <S extends Sealer>(sealer: S): S => ({ ...sealer, alignment })
  return {
    ...format,
    async seal(request) {
      const sealed = await format.seal(request)
      return { ...sealed, sealer: aligned(sealed.sealer) }
    },
    recognise(metadata, object) {
      const envelope = format.recognise(metadata, object)
      if (envelope === undefined) return undefined
      const open = {
        summary: envelope.summary,
        plaintextLength: (length: number) => envelope.plaintextLength(length),
        open: (request: OpenRequest) => envelope.open(request),
      }
      return resumes
        ? { ...open, resume: async (request) => aligned<PositionalSealer>(await envelope.resume!(request)) }
        : open
    },
  }
}
