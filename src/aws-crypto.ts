/** Keyrings of the AWS Encryption SDK for JavaScript; the only part of this library that needs `@aws-crypto/material-management-node`. */
export { fromAwsCryptoKeyring } from './keyrings/aws-crypto.js'
