// The smoke suite in a page, bundled.
/* global addEventListener, fetch, location, navigator */
import * as kms from '@aws-sdk/client-kms'
import * as s3 from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { session } from './session.mjs'

const failures = []
addEventListener('unhandledrejection', ({ reason }) => failures.push(`unhandledrejection: ${reason?.stack ?? reason}`))
addEventListener('error', ({ message }) => failures.push(`error: ${message}`))

// A browser answers from its cache, also where the object has changed, and asks for other ranges than were signed.
const requestHandler = { cache: 'no-store' }

session(
  location.origin,
  { requestHandler, s3, kms, Upload, getSignedUrl, version: navigator.userAgent },
  failures,
).catch((error) =>
  fetch('/report', { method: 'POST', body: JSON.stringify({ cells: [], failed: String(error?.stack ?? error) }) }),
)
