import { has } from '../../support/command.js'
import { debianPackages } from '../../support/debian.js'
import type { Crypt4ghPeer } from '../crypt4gh/peer.js'
import { pythonProgram } from '../python/environment.js'

export const peer: Crypt4ghPeer = {
  subject: 'crypt4gh for Python (reference implementation)',
  version: '1.8.6',
  pinned: true,
  install: async () => {
    // Its keys are read here and there.
    await debianPackages(['openssh-client'], 'ssh-keygen', () => has('sh', '-c', 'command -v ssh-keygen'))
    return pythonProgram('crypt4gh', 'crypt4gh_files.py', ['crypt4gh'])
  },
  crypt4gh: {
    refusals: /^(ValueError|AssertionError)\b/,
    departures: {
      'range behind the first segment': {
        sign: /the plaintext differs/,
        reason:
          'it passes over the segments before the range, and then over as many bytes once more: other bytes, no error',
      },
      'end of a range on the command line': {
        sign: /the plaintext differs: 49 bytes instead of 50/,
        reason: 'its help says that the end is excluded; its command line leaves out one byte more',
      },
      'range without an end on the command line': {
        sign: /ValueError: Invalid range/,
        reason: 'its help allows it, and its command line refuses it',
      },
      'rearranged within the first segment': {
        sign: /bytes are kept that are not in the range/,
        reason: 'where the range ends in the first segment it keeps all others, which the recipient can decrypt',
      },
      'rearranged once more': {
        sign: /NotImplementedError/,
        reason: 'it makes no part of a file that has an edit list',
      },
      'edit list with nothing to keep': {
        sign: /AssertionError/,
        reason:
          'an edit list without lengths, or with a 0 among those to keep, ends it with an assertion; here it is what the specification says',
      },
      'length of 64 bits': {
        sign: /OverflowError/,
        reason: 'it cannot count that far; here it is refused as any other length that goes past the end',
      },
      'edit list past the end': {
        sign: /s3-cse: ERR_S3CSE_DECRYPTION_FAILED/,
        reason: 'it gives out what there is, without an error; here a list that names bytes behind the end is refused',
      },
      'empty segment': {
        sign: /AssertionError/,
        reason: 'it refuses a segment without plaintext',
      },
      'data method 1': {
        sign: /ValueError: Unsupported bulk encryption method: 1/,
        reason: 'the released version does not know the mode of the draft, which is experimental here as well',
      },
      'order of the segments': {
        sign: /it did not refuse/,
        reason: 'the format has no order of segments; what s3-cse writes has one, which only s3-cse checks',
      },
      'end of the message': {
        sign: /it did not refuse/,
        reason: 'the format has no end of a message; what s3-cse writes has one, which only s3-cse checks',
      },
      passphrase: {
        sign: /that is no refusal: SystemExit: 2/,
        reason: 'its library ends the process where a passphrase is wrong',
      },
      'length of a secret key': {
        sign: /it did not refuse/,
        reason: 'it takes a secret key of any length out of a key file',
      },
      'AEAD cipher of OpenSSH': {
        sign: /SystemExit: 2/,
        reason: 'it does not read keys of OpenSSH under ciphers that authenticate',
      },
    },
  },
}
