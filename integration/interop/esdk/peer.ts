import type { EsdkSuiteName } from 's3-cse/esdk'
import type { Peer } from '../peer.js'
import type { ContextName } from './contexts.js'
import type { ChangeName } from './changes.js'
import type { KeysName } from './keys.js'

/** What is refused that was not changed. */
export type Refusal =
  | 'another key'
  | 'another context'
  | 'a required pair that is not given'
  | 'another value of a required pair'
  | 'no key commitment'
  | 'more encrypted data keys than allowed'

/**
 * One thing that is tried with messages.
 *
 * write: it makes a message, a plain S3 client stores it, s3-cse reads it whole and in ranges, as
 * an object and without S3.
 * read: s3-cse stores an object, it opens the stored bytes.
 * refused: as write, and s3-cse must refuse it.
 * refuse: as read, and it must refuse it.
 */
export interface MessageTrial {
  readonly op: 'write' | 'read' | 'refused' | 'refuse'
  readonly suite: EsdkSuiteName
  /** Bytes; 0: without frames. */
  readonly frameLength: number
  /** Bytes of plaintext. */
  readonly size: number
  readonly keys: KeysName
  /** What it is read with, if that is not the same. */
  readonly readWith?: KeysName
  readonly context: ContextName
  /** One pair of the context is not stored. */
  readonly required?: boolean
  /** Of what s3-cse writes: an object by Upload, or a message by one of the functions that need no S3. Default: by PutObject. */
  readonly written?: 'Upload' | 'encrypt' | 'encryptStream'
  /** On the server that was started, not on the one in this process. */
  readonly elsewhere?: boolean
  /** Of refusals. */
  readonly why?: Refusal | ChangeName
}

/** As `Departure` of the clients for S3. */
export interface MessageDeparture {
  readonly name: string
  readonly about: (trial: MessageTrial) => boolean
  readonly sign: RegExp
  readonly reason: string
}

/** An implementation of the AWS Encryption SDK. */
export interface MessagePeer extends Pick<Peer, 'subject' | 'version' | 'pinned' | 'install' | 'requestsPerProcess'> {
  readonly messages: {
    /** Suites that it writes messages without frames with. */
    readonly unframed: readonly EsdkSuiteName[]
    /** What it throws when it refuses, by class; everything else is no decision. */
    readonly refusals: RegExp
    readonly departures?: readonly MessageDeparture[]
  }
}
