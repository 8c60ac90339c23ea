import { DeleteAliasCommand, KMSClient, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms'
import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { kmsConfig, kmsServer, made, s3Config, s3Server } from './support-place.js'

/** Leaves nothing on servers that go on after the run; KMS keys are deleted after the seven days that KMS takes. */
export async function cleanUp(): Promise<void> {
  if (!s3Server.own) await deleteBuckets()
  if (!kmsServer.own) await deleteKeys()
}

async function deleteKeys(): Promise<void> {
  const { region } = kmsConfig
  const client = new KMSClient(kmsConfig)
  try {
    for (const AliasName of made.aliases.splice(0)) {
      await client.send(new DeleteAliasCommand({ AliasName })).catch(unlessGone)
    }
    // Replicas first: a primary key waits for them.
    for (const arn of made.keys.splice(0).reverse()) {
      const [, , , place = region, , resource = ''] = arn.split(':')
      const own = place === region ? client : new KMSClient({ ...kmsConfig, region: place as string })
      const KeyId = resource.replace('key/', '')
      await own.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 })).catch(unlessGone)
      if (own !== client) own.destroy()
    }
  } finally {
    client.destroy()
  }
}

/** It was deleted by its check, or is to be. */
function unlessGone(error: unknown): void {
  if (!['NotFoundException', 'KMSInvalidStateException'].includes((error as Error).name)) throw error
}

async function deleteBuckets(): Promise<void> {
  const client = new S3Client(s3Config)
  try {
    for (const Bucket of made.buckets.splice(0)) {
      await abortUploads(client, Bucket)
      await deleteVersions(client, Bucket)
      await client.send(new DeleteBucketCommand({ Bucket }))
    }
  } finally {
    client.destroy()
  }
}

async function abortUploads(client: S3Client, Bucket: string): Promise<void> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key, UploadId } of Uploads) {
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
  }
}

async function deleteVersions(client: S3Client, Bucket: string): Promise<void> {
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }))
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }))
    if (Objects.length === 0) return
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }))
  }
}
