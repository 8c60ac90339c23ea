import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'
import type { EncryptedDataKey } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import { readersOf } from '../../keyrings/readers.js'
import type { ObjectName, OpenRequest, StoredBytes } from '../format.js'
import { invalidMessage } from '../names.js'
import { notForCrypt4gh, suiteForKeyrings } from './check.js'
import { MAX_HEADER_LENGTH, parseHeader, type Crypt4ghHeader, type Packet } from './header.js'
import type { Crypt4ghSettings } from './options.js'
import { NONCE_LENGTH } from './segments.js'

/** What is read first, in bytes: most headers are shorter. */
export const HEADER_START_LENGTH = 4096

/** Reads as much of the start as the header needs. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export async function readHeader(
  stored: StoredBytes,
  { maxPackets }: Crypt4ghSettings,
  object: ObjectName,
): Promise<Crypt4ghHeader> {
  for (let wanted = HEADER_START_LENGTH; ;) {
    const start = await stored.start(wanted)
    const result = parseHeader(start, maxPackets)
    if ('header' in result) return result.header
    if ('fault' in result) throw invalidMessage(object, result.fault)
    if (start.length < wanted) throw invalidMessage(object, 'it ends inside its header.')
    // Packet by packet it would be a request for each.
    wanted = Math.min(MAX_HEADER_LENGTH + 1, Math.max(result.needs, wanted * 4))
  }
}

/** A packet with its content, where the keyring opens it. */
export interface OpenedPacket {
  readonly packet: Packet
  /** Whoever gets it wipes it. */
  readonly content: Uint8Array | undefined
  /** Which of the keyring's readers has opened it. */
  readonly reader: number
}

/** What a message is opened with. */
export type Opening = Pick<OpenRequest, 'keyring' | 'commitmentPolicy' | 'signal'>

/** Asks the keyring for each packet. Throws ERR_S3CSE_CONFIG where it is for other formats. */
export async function openPackets(
  { packets }: Crypt4ghHeader,
  { keyring, commitmentPolicy, signal }: Opening,
): Promise<readonly OpenedPacket[]> {
  if (keyring.algorithms?.includes(crypt4ghAlgorithm) === false) throw notForCrypt4gh()
  const opened: OpenedPacket[] = []
  try {
    for (const packet of packets) {
      const { encrypted } = packet
      let [content, reader]: [unknown, number] = [undefined, 0]
      for (const [index, one] of (encrypted ? readersOf(keyring) : []).entries()) {
        const { ciphertext } = encrypted as EncryptedDataKey
        content = await one.unwrap({
          suite: suiteForKeyrings(ciphertext.length - NONCE_LENGTH - 16),
          context: {},
          encryptedDataKeys: [encrypted as EncryptedDataKey],
          commitmentPolicy,
          ...(signal && { signal }),
        })
        reader = index
        if (isBytes(content)) break
      }
      opened.push({ packet, content: isBytes(content) ? content : undefined, reader })
    }
    return opened
  } catch (error) {
    wipe(opened)
    throw error
  }
}

export function wipe(packets: readonly OpenedPacket[]): void {
  for (const { content } of packets) content?.fill(0)
}
