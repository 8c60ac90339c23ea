import { contextOf } from '../formats/context-of.js'
import { PUBLIC_KEY } from '../formats/esdk/context.js'
import type { EsdkHeader } from '../formats/esdk/header.js'
import type { EsdkSuiteName } from '../formats/esdk/options.js'
import type { EsdkSuite } from '../formats/esdk/suites.js'
import type { Context } from '../keyrings/keyring.js'

/** What the header of a message says. Whoever gets it from here gets it authenticated. */
export interface MessageHeader {
  readonly algorithmSuite: EsdkSuiteName
  /** Of the message format. */
  readonly version: 1 | 2
  /** Bytes of plaintext in a frame; 0 for messages without frames, of old writers. */
  readonly frameLength: number
  /** All pairs: stored ones, and those that the caller gave and that are not stored. With `aws-crypto-public-key` where the message is signed. */
  readonly encryptionContext: Context
  readonly isSigned: boolean
  /** In bytes. */
  readonly length: number
}

export function messageHeader(
  suite: EsdkSuite,
  fields: { readonly stored: Context; readonly given: Context; readonly frameLength: number; readonly length: number },
): MessageHeader {
  const { stored, given, frameLength, length } = fields
  const context = contextOf([...Object.entries(stored), ...Object.entries(given)])
  return Object.freeze({
    algorithmSuite: suite.name as EsdkSuiteName,
    version: suite.version,
    frameLength,
    encryptionContext: context,
    isSigned: Object.hasOwn(context, PUBLIC_KEY),
    length,
  })
}

/** Of a message that was opened with these pairs given. */
export function openedHeader({ suite, context, frameLength, length }: EsdkHeader, given: Context): MessageHeader {
  return messageHeader(suite, { stored: contextOf(context), given, frameLength, length })
}
