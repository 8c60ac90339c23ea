import type { EncryptionOptions } from './options.js'

/**
 * Options for reading mail that the Amazon Simple Email Service stored with its S3 action and "message encryption":
 * format V2, AES-256-GCM, the data key under the legacy wrap `kms`. Spread them beside a KMS keyring of the key that the
 * rule names (by default the AWS managed key `alias/aws/ses`); it needs `kms:Decrypt`.
 *
 * ```ts
 * addEncryption(client, { keyring: kmsKeyring({ client: kms, keyId: 'alias/aws/ses' }), ...sesMail() })
 * ```
 *
 * The service writes without key commitment and with a wrap that does not bind the content algorithm, so this is a client
 * for the mail bucket only. Give no `encryptionContext`: the service's own (`aws:ses:message-id`, `aws:ses:rule-name`,
 * `aws:ses:source-account`) is authenticated by KMS and shown by `encryptionInfo`.
 */
export function sesMail(): Pick<EncryptionOptions, 'commitmentPolicy' | 'legacy' | 'instructionFile'> {
  return {
    commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
    legacy: { wrapping: true },
    instructionFile: { read: false },
  }
}
