export { generateKeyPair, publicKeyOf, type KeyPair } from './key-pair.js'
export type { KeyFileKdf } from './key-derivation.js'
export type { Passphrase, PassphraseSource } from './passphrase.js'
export { readPublicKey, readSecretKey, type ReadSecretKeyOptions, type SecretKeyFile } from './read-key-file.js'
export {
  changePassphrase,
  writePublicKey,
  writeSecretKey,
  type ChangePassphraseOptions,
  type WriteSecretKeyOptions,
} from './write-key-file.js'
