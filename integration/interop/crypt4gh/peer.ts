import type { Peer } from '../peer.js'
import type { Tried } from '../tally.js'
import type { Meeting } from './meeting.js'

/** What an implementation is known to do in another way, by what a trial is about. */
export type Aspect =
  | 'range behind the first segment'
  | 'end of a range on the command line'
  | 'range without an end on the command line'
  | 'rearranged within the first segment'
  | 'rearranged once more'
  | 'edit list with nothing to keep'
  | 'edit list past the end'
  | 'length of 64 bits'
  | 'empty segment'
  | 'data method 1'
  | 'order of the segments'
  | 'end of the message'
  | 'passphrase'
  | 'length of a secret key'
  | 'AEAD cipher of OpenSSH'

/** One thing that is tried. */
export interface PlannedFile extends Omit<Tried, 'departure'> {
  /** For messages. */
  readonly details: string
  readonly about?: Aspect
  /** Rejects with what the other side threw, or with what is wrong. */
  readonly attempt: (m: Meeting) => Promise<void>
}

/** An implementation of Crypt4GH. */
export interface Crypt4ghPeer extends Pick<Peer, 'subject' | 'version' | 'pinned' | 'install' | 'requestsPerProcess'> {
  readonly crypt4gh: {
    /** What it throws when it refuses, by class; everything else is no decision. */
    readonly refusals: RegExp
    /** Every trial about these must fail with an error that matches `sign`. */
    readonly departures: Readonly<Partial<Record<Aspect, { readonly sign: RegExp; readonly reason: string }>>>
  }
}
