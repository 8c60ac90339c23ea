/** GA4GH Crypt4GH: as a format of objects, and without S3. */
export { crypt4gh, type Crypt4ghOptions } from './formats/crypt4gh/crypt4gh.js'
export type { Crypt4ghMessageOptions } from './formats/crypt4gh/options.js'
export { x25519Keyring } from './keyrings/x25519.js'
export type { X25519KeyringOptions, X25519PublicKey, X25519SecretKey } from './keyrings/x25519.js'
export { decrypt, encrypt } from './crypt4gh/at-once.js'
export { encryptStream } from './crypt4gh/encrypt-stream.js'
export type { EncryptStreamOptions, MessageEncryption } from './crypt4gh/encrypt-stream.js'
export { decryptStream } from './crypt4gh/decrypt-stream.js'
export type { DecryptStreamOptions, MessageDecryption } from './crypt4gh/decrypt-stream.js'
export { openRange } from './crypt4gh/open-range.js'
export type { MessageReader, OpenRangeOptions } from './crypt4gh/open-range.js'
export { reencrypt, reencryptHeader } from './crypt4gh/reencrypt.js'
export type { ReencryptOptions } from './crypt4gh/reencrypt.js'
export { rearrange } from './crypt4gh/rearrange.js'
export type { RearrangeOptions } from './crypt4gh/rearrange.js'
export type { MessageRewriting, RewrittenHeader } from './crypt4gh/rewriting.js'
export { inspectHeader } from './crypt4gh/inspect-header.js'
export type { InspectedHeader, InspectedPacket, InspectHeaderOptions } from './crypt4gh/inspect-header.js'
export type { MessageHeader, WrittenHeader } from './crypt4gh/header.js'
export type {
  DecryptMessageOptions,
  DetachedHeader,
  EncryptMessageOptions,
  MessageOptions,
  RangeOptions,
} from './crypt4gh/options.js'
export {
  changePassphrase,
  generateKeyPair,
  publicKeyOf,
  readPublicKey,
  readSecretKey,
  writePublicKey,
  writeSecretKey,
} from './crypt4gh/key-file.js'
export type {
  ChangePassphraseOptions,
  KeyFileKdf,
  KeyPair,
  Passphrase,
  PassphraseSource,
  ReadSecretKeyOptions,
  SecretKeyFile,
  WriteSecretKeyOptions,
} from './crypt4gh/key-file.js'
export type { ByteInput } from './message/byte-input.js'
export type { ByteStream } from './message/byte-stream.js'
export type { FileHandleLike, SeekableInput, SeekableSource } from './message/seekable-source.js'
export { CseError, DecryptionError } from './errors.js'
export type { CseErrorCode } from './errors.js'
