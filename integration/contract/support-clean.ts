import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { madeBuckets, s3Config, s3Server } from './support-place.js'

/** Leaves nothing on a server that goes on after the run. */
export async function emptyBuckets(): Promise<void> {
  if (s3Server.own) return
  const client = new S3Client(s3Config)
  try {
    for (const Bucket of madeBuckets()) {
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
