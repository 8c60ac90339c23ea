import { AbortMultipartUploadCommand } from '@aws-sdk/client-s3'
import type { AbortMultipartUploadCommandInput, S3Client } from '@aws-sdk/client-s3'

import { configError, CseError } from '../errors.js'
import type { Sealed } from '../formats/format.js'
import { multipart } from '../message/multipart.js'
import type { Multipart } from '../message/multipart.js'
import { isPositional } from '../message/sealer.js'
import type { PositionalSealer } from '../message/sealer.js'
import { callerChecksums } from './checksums.js'
import { unsupported } from './commands.js'
import { mergedMetadata, refuseReserved } from './envelope-metadata.js'
import { emitterFor } from './events.js'
import { setInfo, takeChecksums } from './info.js'
import { fileMembers, fileOf, summaryWith } from './envelope-file.js'
import { checkFileWritable } from './instruction-file.js'
import { asStored } from './internal.js'
import { unexpected } from './open-object.js'
import type { Settings } from './options.js'
import { objectName, requestSettings } from './request-options.js'
import type { RequestSettings } from './request-options.js'
import { abortError, throwIfAborted, untilAborted } from './sdk.js'
import type { ClientConfig, CommandContext, Input, Result } from './sdk.js'
import { timedSealer } from './timed.js'
import { checkImportable } from './upload-importable.js'
import { startUploadLog } from './upload-log.js'
import { partBuffers } from './uploads.js'
import type { ActiveUpload } from './uploads.js'

/** Wipes what was made when a step after it fails. */
async function orDestroy<T>(made: { destroy(error: Error): void }, step: () => Promise<T> | T): Promise<T> {
  try {
    return await step()
  } catch (error) {
    made.destroy(error as Error)
    throw error
  }
}

function positional({ sealer }: Sealed): PositionalSealer {
  if (isPositional(sealer)) return sealer
  throw unsupported(
    'CreateMultipartUploadCommand',
    'the format, or AES-GCM of this runtime, can only encrypt in order. Use PutObject (up to 5 GiB less 16 bytes), which takes streams.',
  )
}

function checkInput(input: Input, config: ClientConfig, { saveUpload, stateKey }: RequestSettings): void {
  if (stateKey !== undefined && saveUpload === undefined) {
    throw configError('stateKey encrypts what saveUpload saves: give both to CreateMultipartUpload, or neither')
  }
  // Nothing that could be verified against anything has been sent yet.
  if (callerChecksums(input, config) !== undefined) {
    throw new CseError(
      'ERR_S3CSE_CHECKSUM',
      'CreateMultipartUpload takes no digest: name a ChecksumAlgorithm, and give digests with the parts.',
    )
  }
}

/** Leaves nothing at S3 of an upload that nobody could go on with. What matters to the caller is why. */
async function abandon(client: S3Client, input: Input, UploadId: string): Promise<void> {
  const { Bucket, Key, RequestPayer, ExpectedBucketOwner } = input as Partial<AbortMultipartUploadCommandInput>
  const abort = asStored({ Bucket, Key, UploadId, RequestPayer, ExpectedBucketOwner })
  await client.send(new AbortMultipartUploadCommand(abort)).catch(() => undefined)
}

/** Envelope and data key are made here; what parts need is kept by upload id. */
export async function createMultipartUpload(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next, config, signal } = c
  const { input } = args
  const { bucket, key } = objectName(input)
  const request = requestSettings(settings, input, bucket, key)
  const own = (input.Metadata ?? {}) as Input
  refuseReserved(own, settings.format.reservedKeys)
  checkInput(input, config, request)
  throwIfAborted(signal)

  const sealing = settings.format.seal({
    keyring: request.keyring,
    commitmentPolicy: settings.commitmentPolicy,
    encryptionContext: request.encryptionContext,
    ...(request.plaintextLength !== undefined && { plaintextLength: request.plaintextLength }),
    ...(signal === undefined ? {} : { signal }),
  })
  const sealed = await untilAborted(sealing, signal, (late) => late.sealer.destroy())
  return orDestroy(sealed.sealer, async () => {
    const file = fileOf(settings, request, sealed.metadata)
    const metadata = mergedMetadata(own, file?.onObject ?? sealed.metadata, bucket, key)
    if (file !== undefined) await checkFileWritable({ ...c, settings, object: { bucket, key }, file })
    const sealer = timedSealer(positional(sealed), emitterFor(settings.observer, { bucket, key }))
    if (request.saveUpload !== undefined) {
      await checkImportable({
        bucket,
        key,
        metadata: sealed.resumption ?? sealed.metadata,
        sealer,
        partSize: request.partSize,
        settings,
        request,
        signal,
      })
    }
    const active: { current?: ActiveUpload } = {}
    const parts: Multipart = multipart({
      sealer,
      partSize: request.partSize,
      maxWait: settings.uploadPartWait,
      worker: false,
      abortError,
      save: (record) => active.current?.log?.save(record) ?? Promise.resolve(),
    })
    throwIfAborted(signal)
    const result = await next({ ...args, input: { ...input, Metadata: metadata } })
    const uploadId = result.output.UploadId
    // (A presigned request has no output yet; it is refused by whoever called.)
    if (result.output.presigned !== undefined) return result
    if (typeof uploadId !== 'string' || uploadId === '') {
      throw unexpected(`The response for ${bucket}/${key} has no UploadId`)
    }
    const upload: ActiveUpload = {
      bucket,
      key,
      uploadId,
      multipart: parts,
      metadata: sealed.metadata,
      resumption: sealed.resumption ?? sealed.metadata,
      summary: summaryWith(file, key, sealed.summary),
      instructionFile: file && { suffix: file.suffix, members: fileMembers(input) },
      request: { ...request, stateKey: undefined },
      checksumAlgorithm: input.ChecksumAlgorithm as string | undefined,
      fullObjectChecksum: input.ChecksumType === 'FULL_OBJECT',
      crcs: new Map<number, bigint>(),
      buffers: partBuffers(),
      stored: new Map(),
      digests: new Map(),
      log: undefined,
      partMembers: {},
      own: undefined,
    }
    active.current = upload
    try {
      upload.log = await untilAborted(startUploadLog(upload, request), signal, (late) => late?.destroy())
    } catch (error) {
      await abandon(c.client, input, uploadId)
      throw error
    }
    settings.uploads.add(upload)
    setInfo(result.output, {
      status: 'encrypted',
      envelope: upload.summary,
      metadata: sealed.metadata,
      checksums: takeChecksums(result.output),
    })
    return result
  })
}
