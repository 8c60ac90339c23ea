import { CseError } from '../errors.js'

/**
 * What happens to each command of client-s3. Default-deny: a command that is not named here (of a newer SDK) is refused
 * until somebody has looked at what it does with bodies and envelopes, unless the caller lists it in `allowCommands`.
 *
 * 'handled': encrypts or decrypts. 'passed': sent unchanged; it carries no body and keeps every envelope. A function
 * looks at the input and gives the reason for a refusal, or `undefined` to pass. A string refuses, and is the reason.
 */
export type CommandRule = 'handled' | 'passed' | { readonly refuse: string } | { readonly unless: CommandCheck }
type CommandCheck = (input: Readonly<Record<string, unknown>>) => string | undefined

const handled = 'handled'
const passed = 'passed'
const refuse = (reason: string): CommandRule => ({ refuse: reason })

function refuseSelect(input: Readonly<Record<string, unknown>>): string | undefined {
  const request = input.RestoreRequest as { SelectParameters?: unknown } | undefined
  if (request?.SelectParameters === undefined) return undefined
  return 'SelectParameters would run a query over ciphertext. Restore the object and read it.'
}

const rules: Readonly<Record<string, CommandRule>> = {
  PutObjectCommand: handled,
  GetObjectCommand: handled,
  HeadObjectCommand: handled,
  CreateMultipartUploadCommand: handled,
  UploadPartCommand: handled,
  CompleteMultipartUploadCommand: handled,
  AbortMultipartUploadCommand: handled,
  CopyObjectCommand: handled,
  DeleteObjectCommand: handled,
  DeleteObjectsCommand: handled,
  RenameObjectCommand: handled,

  RestoreObjectCommand: { unless: refuseSelect },
  UploadPartCopyCommand: refuse(
    'it would join ciphertexts or plaintexts of other objects to this one, which no envelope describes. Get the source and put it again, or copy the whole object with CopyObject.',
  ),
  PutObjectAnnotationCommand: refuse(
    'annotations are stored as plaintext. Put the text into an object of its own, or send the command with a plain client.',
  ),
  GetObjectAnnotationCommand: refuse(
    'annotations are neither encrypted nor authenticated. Send the command with a plain client if that is acceptable.',
  ),
  WriteGetObjectResponseCommand: refuse(
    'its body is sent as plaintext to whoever asked for the object. Send the command with a plain client if that is meant.',
  ),
  SelectObjectContentCommand: refuse('S3 would run the query over ciphertext. Get the object and query it locally.'),
  GetObjectTorrentCommand: refuse(
    'it gives others a way to the ciphertext, and this client none to the plaintext. Use GetObject.',
  ),

  CreateBucketCommand: passed,
  CreateBucketMetadataConfigurationCommand: passed,
  CreateBucketMetadataTableConfigurationCommand: passed,
  CreateSessionCommand: passed,
  DeleteBucketAnalyticsConfigurationCommand: passed,
  DeleteBucketCommand: passed,
  DeleteBucketCorsCommand: passed,
  DeleteBucketEncryptionCommand: passed,
  DeleteBucketIntelligentTieringConfigurationCommand: passed,
  DeleteBucketInventoryConfigurationCommand: passed,
  DeleteBucketLifecycleCommand: passed,
  DeleteBucketMetadataConfigurationCommand: passed,
  DeleteBucketMetadataTableConfigurationCommand: passed,
  DeleteBucketMetricsConfigurationCommand: passed,
  DeleteBucketOwnershipControlsCommand: passed,
  DeleteBucketPolicyCommand: passed,
  DeleteBucketReplicationCommand: passed,
  DeleteBucketTaggingCommand: passed,
  DeleteBucketWebsiteCommand: passed,
  DeleteObjectAnnotationCommand: passed,
  DeleteObjectTaggingCommand: passed,
  DeletePublicAccessBlockCommand: passed,
  GetBucketAbacCommand: passed,
  GetBucketAccelerateConfigurationCommand: passed,
  GetBucketAclCommand: passed,
  GetBucketAnalyticsConfigurationCommand: passed,
  GetBucketCorsCommand: passed,
  GetBucketEncryptionCommand: passed,
  GetBucketIntelligentTieringConfigurationCommand: passed,
  GetBucketInventoryConfigurationCommand: passed,
  GetBucketLifecycleConfigurationCommand: passed,
  GetBucketLocationCommand: passed,
  GetBucketLoggingCommand: passed,
  GetBucketMetadataConfigurationCommand: passed,
  GetBucketMetadataTableConfigurationCommand: passed,
  GetBucketMetricsConfigurationCommand: passed,
  GetBucketNotificationConfigurationCommand: passed,
  GetBucketOwnershipControlsCommand: passed,
  GetBucketPolicyCommand: passed,
  GetBucketPolicyStatusCommand: passed,
  GetBucketReplicationCommand: passed,
  GetBucketRequestPaymentCommand: passed,
  GetBucketTaggingCommand: passed,
  GetBucketVersioningCommand: passed,
  GetBucketWebsiteCommand: passed,
  GetObjectAclCommand: passed,
  // Its sizes and checksums are the ciphertext's.
  GetObjectAttributesCommand: passed,
  GetObjectLegalHoldCommand: passed,
  GetObjectLockConfigurationCommand: passed,
  GetObjectRetentionCommand: passed,
  GetObjectTaggingCommand: passed,
  GetPublicAccessBlockCommand: passed,
  HeadBucketCommand: passed,
  ListBucketAnalyticsConfigurationsCommand: passed,
  ListBucketIntelligentTieringConfigurationsCommand: passed,
  ListBucketInventoryConfigurationsCommand: passed,
  ListBucketMetricsConfigurationsCommand: passed,
  ListBucketsCommand: passed,
  ListDirectoryBucketsCommand: passed,
  ListMultipartUploadsCommand: passed,
  ListObjectAnnotationsCommand: passed,
  ListObjectVersionsCommand: passed,
  ListObjectsCommand: passed,
  ListObjectsV2Command: passed,
  ListPartsCommand: passed,
  PutBucketAbacCommand: passed,
  PutBucketAccelerateConfigurationCommand: passed,
  PutBucketAclCommand: passed,
  PutBucketAnalyticsConfigurationCommand: passed,
  PutBucketCorsCommand: passed,
  PutBucketEncryptionCommand: passed,
  PutBucketIntelligentTieringConfigurationCommand: passed,
  PutBucketInventoryConfigurationCommand: passed,
  PutBucketLifecycleConfigurationCommand: passed,
  PutBucketLoggingCommand: passed,
  PutBucketMetricsConfigurationCommand: passed,
  PutBucketNotificationConfigurationCommand: passed,
  PutBucketOwnershipControlsCommand: passed,
  PutBucketPolicyCommand: passed,
  PutBucketReplicationCommand: passed,
  PutBucketRequestPaymentCommand: passed,
  PutBucketTaggingCommand: passed,
  PutBucketVersioningCommand: passed,
  PutBucketWebsiteCommand: passed,
  PutObjectAclCommand: passed,
  PutObjectLegalHoldCommand: passed,
  PutObjectLockConfigurationCommand: passed,
  PutObjectRetentionCommand: passed,
  PutObjectTaggingCommand: passed,
  PutPublicAccessBlockCommand: passed,
  UpdateBucketMetadataAnnotationTableConfigurationCommand: passed,
  UpdateBucketMetadataInventoryTableConfigurationCommand: passed,
  UpdateBucketMetadataJournalTableConfigurationCommand: passed,
  UpdateObjectEncryptionCommand: passed,
}

export const commandRules: ReadonlyMap<string, CommandRule> = new Map(Object.entries(rules))

export function unsupported(command: string, reason: string, cause?: unknown): CseError {
  const message = `${command} is refused by an encrypting client: ${reason}`
  return new CseError('ERR_S3CSE_UNSUPPORTED_COMMAND', message, cause === undefined ? {} : { cause })
}

/** Throws ERR_S3CSE_UNSUPPORTED_COMMAND, or says whether the command is 'handled' or 'passed'. */
export function commandRule(
  command: string,
  input: Readonly<Record<string, unknown>>,
  allowed: ReadonlySet<string>,
): 'handled' | 'passed' {
  const rule = commandRules.get(command)
  if (rule === undefined) {
    if (allowed.has(command)) return 'passed'
    throw unsupported(
      command,
      "this version does not know what it does with objects. If it neither carries an object's bytes nor changes metadata, list it in allowCommands; otherwise send it with a plain client.",
    )
  }
  if (rule === 'handled' || rule === 'passed') return rule
  const reason = 'refuse' in rule ? rule.refuse : rule.unless(input)
  if (reason !== undefined) throw unsupported(command, reason)
  return 'passed'
}
