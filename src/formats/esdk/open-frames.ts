import { DecryptionError } from '../../errors.js'
import type { Aes } from '../../runtime/runtime.js'
import { FINAL_FRAME_MARK, FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD, bodyAad, frameIv, type BodyKind } from './frames.js'
import { IV_LENGTH } from './header.js'

/** What the frames of a message are opened with. */
export interface FrameKeys {
  readonly aes: Aes
  readonly messageId: Uint8Array
  /** In bytes. */
  readonly frameLength: number
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The plaintext of a whole regular frame, the `sequence`th from 1 on. Throws DecryptionError unless it is just that one. */
export async function openRegularFrame(keys: FrameKeys, sequence: number, frame: Uint8Array): Promise<Uint8Array> {
  if (frame.length !== keys.frameLength + FRAME_OVERHEAD) throw new DecryptionError()
  if (view(frame).getUint32(0) !== sequence || sequence === FINAL_FRAME_MARK) throw new DecryptionError()
  return openContent(keys, 'regular', sequence, frame.subarray(4), keys.frameLength)
}

/** The same for the final frame: it says where the message ends. */
export async function openFinalFrame(keys: FrameKeys, sequence: number, frame: Uint8Array): Promise<Uint8Array> {
  const length = frame.length - FINAL_FRAME_OVERHEAD
  if (length < 0 || length > keys.frameLength) throw new DecryptionError()
  const fields = view(frame)
  const isIt =
    fields.getUint32(0) === FINAL_FRAME_MARK &&
    fields.getUint32(4) === sequence &&
    fields.getUint32(8 + IV_LENGTH) === length
  if (!isIt) throw new DecryptionError()
  const content = new Uint8Array(frame.length - 12)
  content.set(frame.subarray(8, 8 + IV_LENGTH))
  content.set(frame.subarray(12 + IV_LENGTH), IV_LENGTH)
  return openContent(keys, 'final', sequence, content, length)
}

/** `content`: IV ‖ ciphertext ‖ tag. */
async function openContent(
  { aes, messageId }: FrameKeys,
  kind: BodyKind,
  sequence: number,
  content: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const iv = frameIv(sequence)
  if (iv.some((byte, index) => content[index] !== byte)) throw new DecryptionError()
  const aad = bodyAad(messageId, kind, sequence, length)
  const plaintext = await aes.gcmDecrypt(iv, aad, content.subarray(IV_LENGTH))
  if (plaintext === undefined) throw new DecryptionError()
  return plaintext
}
