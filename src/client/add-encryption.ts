import type { S3Client, ServiceInputTypes, ServiceOutputTypes } from '@aws-sdk/client-s3'
import type { HandlerExecutionContext, InitializeMiddleware, MiddlewareStack } from '@smithy/types'

import { configError, CseError } from '../errors.js'
import { commandRule, unsupported } from './commands.js'
import { abortMultipartUpload, completeMultipartUpload } from './complete-multipart-upload.js'
import { copyObject } from './copy-object.js'
import { createMultipartUpload } from './create-multipart-upload.js'
import { decided } from './decisions.js'
import type { Acted } from './decisions.js'
import { deleteObject, deleteObjects } from './delete-files.js'
import { getObject } from './get-object.js'
import { headObject } from './head-object.js'
import { forgetClient, isAsStored, rememberClient } from './internal.js'
import { renameObject } from './rename-object.js'
import { settings as checkedSettings } from './options.js'
import type { EncryptionOptions, Settings } from './options.js'
import { putObject } from './put-object.js'
import { configOf, isPresigning, replacesBodies, signalOf } from './sdk.js'
import type { Args, CommandContext, Input, Next, Result } from './sdk.js'
import { payloadHashMiddleware } from './payload-hash.js'
import { uploadPart } from './upload-part.js'
import { uploadStreamsMiddleware } from './upload-streams.js'

const ENCRYPTION = 's3CseEncryption'
const UPLOAD_STREAMS = 's3CseUploadStreams'
const PAYLOAD_HASH = 's3CsePayloadHash'

type Stack = MiddlewareStack<ServiceInputTypes, ServiceOutputTypes>

type Handler = (c: CommandContext, settings: Settings) => Promise<Result>

const handledCommands: Readonly<Record<string, Handler>> = {
  PutObjectCommand: putObject,
  GetObjectCommand: getObject,
  HeadObjectCommand: headObject,
  CreateMultipartUploadCommand: createMultipartUpload,
  UploadPartCommand: uploadPart,
  CompleteMultipartUploadCommand: completeMultipartUpload,
  AbortMultipartUploadCommand: abortMultipartUpload,
  CopyObjectCommand: copyObject,
  DeleteObjectCommand: deleteObject,
  DeleteObjectsCommand: deleteObjects,
  RenameObjectCommand: renameObject,
}

/** A presigned request of these neither carries an object's bytes nor shows any. */
const presignable = new Set(['HeadObjectCommand', 'AbortMultipartUploadCommand'])

/** Whatever handles requests, these have no bodies to take from elsewhere. */
const bodiless = new Set(['CopyObjectCommand', 'DeleteObjectCommand', 'DeleteObjectsCommand', 'RenameObjectCommand'])

/** A URL of these does what it does for any client: no instruction file goes along. */
function isPresignedAsIs(command: string, input: Input, { bind }: Settings): boolean {
  if (command === 'CopyObjectCommand') return bind === undefined && input.MetadataDirective !== 'REPLACE'
  if (command === 'RenameObjectCommand') return bind === undefined
  return command === 'DeleteObjectCommand' || command === 'DeleteObjectsCommand'
}

function snapshot(input: Input): Input {
  const { Metadata } = input
  return typeof Metadata === 'object' && Metadata !== null ? { ...input, Metadata: { ...Metadata } } : { ...input }
}

function encryptionMiddleware(client: S3Client, settings: Settings) {
  return (next: Next, context: HandlerExecutionContext) =>
    (given: Args): Promise<Result> => {
      if (isAsStored(given.input)) return next(given)
      // As it is now: the caller may use the object for the next request while this one waits for a key.
      const args = { ...given, input: snapshot(given.input) }
      const command = context.commandName ?? 'a command without a name'
      const c = { client, args, next, config: configOf(client), signal: signalOf(context) }
      return decided(client, settings, { command, input: args.input }, () =>
        act(c, settings, command, isPresigning(given)),
      )
    }
}

async function act(c: CommandContext, settings: Settings, command: string, presigning: boolean): Promise<Acted> {
  const { args, next, config } = c
  const { input } = args
  if (commandRule(command, input, settings.allowCommands) === 'passed') return passed(await next(args))
  if (presigning && isPresignedAsIs(command, input, settings)) return passed(await next(args))
  if (presigning && !presignable.has(command)) {
    throw unsupported(
      command,
      'whoever uses a presigned URL sends or gets the bytes without this client, as plaintext on the way in and ciphertext on the way out. Presign with a plain client if that is meant. (Middleware that passes on no more than the input looks like presigning.)',
    )
  }
  if (replacesBodies(config) && !bodiless.has(command)) {
    throw unsupported(
      command,
      "the client's request handler (WorkerHttpHandler) reads bodies in worker threads, past this client, and would send plaintext. Create the transfer manager with workerThreadCount: 1.",
    )
  }
  const handle = handledCommands[command] as Handler
  const result = await handle(c, settings)
  if (result.output.presigned !== undefined && !presignable.has(command)) {
    throw unsupported(command, 'it was presigned instead of sent')
  }
  return { result, passed: false }
}

function passed(result: Result): Acted {
  return { result, passed: true }
}

function isEncrypting(stack: Stack): boolean {
  return stack.identify().some((entry) => entry.startsWith(`${ENCRYPTION} `) || entry === ENCRYPTION)
}

function install(client: S3Client, settings: Settings): void {
  const middleware = encryptionMiddleware(client, settings) as unknown as InitializeMiddleware<
    ServiceInputTypes,
    ServiceOutputTypes
  >
  // Outermost: outside the redirect middleware, which would otherwise run the encryption a second time over a stream
  // that has been read, and outside the logger, which then sees ciphertext only.
  client.middlewareStack.add(middleware, { name: ENCRYPTION, step: 'initialize', priority: 'high' })
  client.middlewareStack.add(uploadStreamsMiddleware as never, {
    name: UPLOAD_STREAMS,
    step: 'finalizeRequest',
    priority: 'low',
  })
  const payloadHash = payloadHashMiddleware(settings.unsignedPayload)
  client.middlewareStack.add(payloadHash as never, { name: PAYLOAD_HASH, step: 'build' })
}

/** With `cacheMiddleware: true` a client keeps the handlers it has resolved: they would go on sending plaintext. */
function forgetHandlers(client: S3Client): void {
  ;(client as unknown as { handlers: unknown }).handlers = undefined
}

function checkClient(client: unknown): void {
  const stack = (client as Partial<S3Client> | undefined | null)?.middlewareStack
  if (typeof stack?.add !== 'function' || typeof (client as Partial<S3Client>).config !== 'object') {
    throw configError('addEncryption takes an S3Client or S3 of @aws-sdk/client-s3 as its first argument')
  }
}

/**
 * Adds client-side encryption to a client, in place: from now on PutObject encrypts, GetObject decrypts and HeadObject
 * shows the plaintext's length; commands that would store plaintext or lose an envelope are refused. Returns the same
 * client, so that it can be written around a `new S3Client(…)`; a return value that is not used changes nothing.
 *
 * Requests that are under way are not affected. Throws `ERR_S3CSE_CONFIG` for a mistake in the options,
 * `ERR_S3CSE_ALREADY_ENCRYPTING` if the client has encryption already.
 */
export function addEncryption<C extends S3Client>(client: C, options: EncryptionOptions): C {
  checkClient(client)
  if (isEncrypting(client.middlewareStack)) {
    throw new CseError(
      'ERR_S3CSE_ALREADY_ENCRYPTING',
      'The client has encryption already. Call removeEncryption first, or use encryptedView on a plain client to have several settings side by side.',
    )
  }
  const settings = checkedSettings(options)
  install(client, settings)
  rememberClient(client, settings)
  forgetHandlers(client)
  return client
}

/** Takes encryption off again: the client sends plaintext and returns what is stored. No effect on a plain client. */
export function removeEncryption(client: S3Client): void {
  checkClient(client)
  client.middlewareStack.remove(ENCRYPTION)
  client.middlewareStack.remove(UPLOAD_STREAMS)
  client.middlewareStack.remove(PAYLOAD_HASH)
  forgetClient(client)
  forgetHandlers(client)
}

/**
 * A second client over the same configuration, credentials and sockets that encrypts, while the first stays as it is.
 * `destroy()` of either closes the sockets of both. Options and errors as for `addEncryption`.
 */
export function encryptedView<C extends S3Client>(client: C, options: EncryptionOptions): C {
  checkClient(client)
  return addEncryption(viewOf(client), options)
}

/** A view of a client that encrypts already, under other settings. */
export function viewWith(client: S3Client, settings: Settings): S3Client {
  const view = viewOf(client)
  removeEncryption(view)
  install(view, settings)
  rememberClient(view, settings)
  return view
}

/** A second client that has its own middleware and handlers, and everything else of the first. */
function viewOf<C extends S3Client>(client: C): C {
  // The SDK caches handlers in a member of the client, and deletes that member now and then: an own member would
  // uncover the plain client's. This one cannot be deleted from the view.
  let handlers: unknown
  const shadow = Object.create(client, {
    handlers: {
      get: () => handlers,
      set: (value: unknown) => {
        handlers = value
      },
    },
  }) as C
  return Object.create(shadow, {
    middlewareStack: { value: client.middlewareStack.clone(), writable: true, configurable: true, enumerable: true },
  }) as C
}
