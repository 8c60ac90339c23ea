import type { S3Client } from '@aws-sdk/client-s3'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'node:test'

import { download } from '../../src/index.js'
import type { DownloadInput, DownloadOptions, DownloadResult } from '../../src/index.js'
import type { S3Request } from '../../src/testing/index.js'
import { Bucket, type World } from '../support/world.js'

/** The smallest part there is, in bytes. */
export const PART: number = 64 * 1024

/** A directory for each test, and its requests. */
export interface Folder {
  /** Where the file is to be. */
  readonly path: string
  /** What is in the directory, sorted. */
  names(): Promise<string[]>
  /** The partial files in it. */
  partial(): Promise<string[]>
  content(): Promise<Buffer>
  /** Downloads `key` to the path, in parts of the smallest size. */
  get(client: S3Client, key: string, options?: DownloadOptions, more?: Partial<DownloadInput>): Promise<DownloadResult>
  /** Bytes that were asked for, 'first-last' in the order of their places, each as often as it was asked for. */
  ranges(): string[]
}

/** To be called once, at the top of a test file. Forgets faults and requests before each test. */
export function folder(w: World): Folder {
  let directory: string
  beforeEach(async () => {
    w.s3.faults.length = 0
    w.s3.requests.length = 0
    directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
  })
  afterEach(() => rm(directory, { recursive: true }))
  const names = async () => (await readdir(directory)).sort()
  return {
    get path() {
      return join(directory, 'file')
    },
    names,
    partial: async () =>
      (await names()).filter((name) => name.endsWith('.s3-cse-part')).map((name) => join(directory, name)),
    content: () => readFile(join(directory, 'file')),
    get: (client, Key, options = {}, more = {}) =>
      download(client, { Bucket, Key, ...more }, join(directory, 'file'), { partSize: PART, ...options }),
    ranges: () => rangesOf(w.s3.requests),
  }
}

export function rangesOf(requests: readonly S3Request[]): string[] {
  return requests
    .filter(({ operation }) => operation === 'GetObject')
    .map(({ headers }) => (headers.range ?? 'bytes=all').slice('bytes='.length))
    .sort((a, b) => parseInt(a) - parseInt(b))
}

/** What is asked for of `stored` bytes, from the part with number `from` (0 is the first) on. */
export function partsOf(stored: number, from = 0): string[] {
  const parts = []
  for (let at = from * PART; at < stored; at += PART) {
    parts.push(`${at}-${at === 0 ? PART - 1 : Math.min(at + PART, stored) - 1}`)
  }
  return parts
}

/** Matches the request for the part with this number. */
export function part(number: number): (request: S3Request) => boolean {
  return ({ operation, headers }) =>
    operation === 'GetObject' && headers.range?.startsWith(`bytes=${number * PART}-`) === true
}
