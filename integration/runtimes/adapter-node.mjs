// The smoke suite on Node, Bun and Deno: `<runtime> adapter-node.mjs <address of the runner>`.
import * as kms from '@aws-sdk/client-kms'
import * as s3 from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { clean, control, failures, node } from './adapter-environment.mjs'
import { session } from './session.mjs'

await session(control(), { s3, kms, Upload, getSignedUrl, node }, failures)
await clean()
