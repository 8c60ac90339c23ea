import { LENGTH_FIELD, maxFooterLength, MIN_FOOTER } from './footer.js'
import { FINAL_FRAME_MARK, FINAL_FRAME_OVERHEAD, framesIn } from './frames.js'
import { IV_LENGTH, type EsdkHeader } from './header.js'

/** So many of the last bytes have a whole final frame and footer, of a signed message. */
export function maxEndLength({ suite, frameLength }: EsdkHeader): number {
  const { signature } = suite
  return frameLength + FINAL_FRAME_OVERHEAD + (signature === undefined ? 0 : maxFooterLength(signature))
}

/**
 * How long the footer of a signed message is, which varies: of all lengths that a signature may have the one whose final
 * frame and footer say the same. Nothing of it is authenticated; the final frame is, when it is opened. `undefined` where
 * no message ends so.
 */
export function footerLengthFrom(header: EsdkHeader, sealedLength: number, end: Uint8Array): number | undefined {
  const { suite, frameLength, length: headerLength } = header
  if (suite.signature === undefined) return 0
  const view = new DataView(end.buffer, end.byteOffset, end.byteLength)
  const endAt = sealedLength - end.length
  for (let length = MIN_FOOTER; length <= maxFooterLength(suite.signature); length++) {
    const footerAt = sealedLength - length
    const frames = framesIn(footerAt - headerLength, frameLength)
    if (frames === undefined) continue
    const frameAt = footerAt - FINAL_FRAME_OVERHEAD - frames.finalLength - endAt
    if (frameAt < 0) continue
    const fits =
      view.getUint16(footerAt - endAt) === length - LENGTH_FIELD &&
      view.getUint32(frameAt) === FINAL_FRAME_MARK &&
      view.getUint32(frameAt + 4) === frames.regular + 1 &&
      view.getUint32(frameAt + 8 + IV_LENGTH) === frames.finalLength
    if (fits) return length
  }
  return undefined
}
