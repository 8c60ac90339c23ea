import { joined } from '../../bytes/body.js'
import { configError } from '../../errors.js'
import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'
import type { EncryptedDataKey, Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { CommitmentPolicy } from '../format.js'
import { suiteForKeyrings } from './check.js'
import { headerBytes, packetBytes } from './header.js'
import type { Crypt4ghSettings } from './options.js'

export interface WrapContent {
  readonly keyring: Keyring
  readonly commitmentPolicy: CommitmentPolicy
  /** Of a packet. */
  readonly content: Uint8Array
  readonly nonce?: Uint8Array | undefined
  /** Who has written it, where it is not new. */
  readonly foundFrom?: Uint8Array | undefined
  readonly plaintextLength?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const WRITER_LENGTH = 32
const OVERHEAD = 12 + 16

/** The packets of one content, one for each recipient. Throws ERR_S3CSE_CONFIG for an answer that does not fit, and what the keyring throws. */
export async function wrapContent(w: WrapContent): Promise<readonly EncryptedDataKey[]> {
  const { keyring, commitmentPolicy, content, nonce, foundFrom, plaintextLength, signal } = w
  const given = content.slice()
  let result: unknown
  try {
    result = await keyring.wrap({
      suite: suiteForKeyrings(content.length),
      context: {},
      dataKey: given,
      commitmentPolicy,
      ...(nonce && { nonce }),
      ...(foundFrom && { foundFrom }),
      ...(plaintextLength !== undefined && { plaintextLength }),
      ...(signal && { signal }),
    })
  } finally {
    given.fill(0)
  }
  const { dataKey, encryptedDataKeys } = (result ?? {}) as Record<string, unknown>
  if (isBytes(dataKey)) dataKey.fill(0)
  if (!Array.isArray(encryptedDataKeys) || encryptedDataKeys.length === 0) throw mistake('encrypted it for nobody.')
  return encryptedDataKeys.map((entry: unknown) => {
    const { algorithm, provider, info, ciphertext } = (entry ?? {}) as Record<string, unknown>
    if (algorithm !== crypt4ghAlgorithm)
      throw mistake(`wrapped for another format: the algorithm is not '${crypt4ghAlgorithm}'.`)
    const fits =
      isBytes(info) &&
      info.length === WRITER_LENGTH &&
      isBytes(ciphertext) &&
      ciphertext.length === content.length + OVERHEAD
    if (!fits)
      throw mistake("gave a packet without the writer's public key, or of another length than its content has.")
    return { algorithm, provider: String(provider), info, ciphertext }
  })
}

function mistake(what: string): Error {
  return configError(`The keyring's wrap ${what}`)
}

/** Packets as they are stored. Throws ERR_S3CSE_CONFIG where that are too many. */
export function headerOf(
  packets: readonly (EncryptedDataKey | Uint8Array)[],
  { maxPackets }: Crypt4ghSettings,
): Uint8Array {
  const bytes = packets.map((packet) => (isBytes(packet) ? packet : packetBytes(packet)))
  const header = headerBytes(bytes, maxPackets)
  if (header !== undefined) return header
  throw configError(
    `This message cannot be stored: its header has ${packets.length} packets and ${joined(...bytes).length} bytes. maxPackets is ${maxPackets}, and a header has 1 MiB at most.`,
  )
}
