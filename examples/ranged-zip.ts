/**
 * One file out of an encrypted ZIP archive, without reading the archive: its directory stands at the end, and says where
 * in it each file begins. Two ranged reads are enough.
 *
 * In the S3 encryption client's format a part of an object cannot be authenticated by itself. 'unauthenticated' reads
 * what is asked for and nothing else: who can write to the bucket could flip bits in it unnoticed, so use it where
 * something else checks the content. 'whole-object' is the same request, verified, at the price of reading everything.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring, requestOptions, type RangeReads } from 's3-cse'
import { startS3 } from 's3-cse/testing'

const server = await startS3({ buckets: ['my-bucket'] })
const s3 = addEncryption(new S3Client(server.clientConfig), { keyring: aesKeyring({ wrappingKey: randomBytes(32) }) })
const object = { Bucket: 'my-bucket', Key: 'letters.zip' }

/** Headers of the ZIP format (APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16): their marks and lengths in bytes. */
const LOCAL = { mark: 0x04034b50, length: 30 }
const CENTRAL = { mark: 0x02014b50, length: 46 }
const END = { mark: 0x06054b50, length: 22 }

function zip(files: Readonly<Record<string, Buffer>>): Buffer {
  const bodies: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, content] of Object.entries(files)) {
    const packed = deflateRawSync(content)
    const [local, central] = [Buffer.alloc(LOCAL.length), Buffer.alloc(CENTRAL.length)]
    local.writeUInt32LE(LOCAL.mark, 0)
    central.writeUInt32LE(CENTRAL.mark, 0)
    // The same fields stand in both, two bytes further on in the second.
    for (const [header, at] of [
      [local, 4],
      [central, 6],
    ] as const) {
      header.writeUInt16LE(20, at)
      header.writeUInt16LE(8, at + 4)
      header.writeUInt32LE(crc32(content), at + 10)
      header.writeUInt32LE(packed.length, at + 14)
      header.writeUInt32LE(content.length, at + 18)
      header.writeUInt16LE(name.length, at + 22)
    }
    central.writeUInt32LE(offset, 42)
    bodies.push(local, Buffer.from(name), packed)
    directory.push(central, Buffer.from(name))
    offset += local.length + name.length + packed.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(END.length)
  end.writeUInt32LE(END.mark, 0)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...bodies, central, end])
}

async function range(Range: string, rangeReads: RangeReads): Promise<Buffer> {
  const output = await s3.send(new GetObjectCommand(requestOptions({ ...object, Range }, { rangeReads })))
  console.log(`${Range.padEnd(24)} ${rangeReads.padEnd(16)} ${output.ContentRange}`)
  return Buffer.from((await output.Body?.transformToByteArray()) ?? [])
}

async function extract(wanted: string, rangeReads: RangeReads): Promise<Buffer> {
  const tail = await range('bytes=-65557', rangeReads)
  const end = tail.lastIndexOf('PK\x05\x06')
  // Where the directory stands is counted from the beginning of the archive, and it ends where the end record begins.
  const start = end - tail.readUInt32LE(end + 12)
  for (let at = start; at < end;) {
    const nameLength = tail.readUInt16LE(at + 28)
    const name = tail.toString('utf8', at + CENTRAL.length, at + CENTRAL.length + nameLength)
    if (name === wanted) {
      const from = tail.readUInt32LE(at + 42) + LOCAL.length + nameLength
      const packed = await range(`bytes=${from}-${from + tail.readUInt32LE(at + 20) - 1}`, rangeReads)
      const content = inflateRawSync(packed)
      assert.equal(crc32(content), tail.readUInt32LE(at + 16))
      return content
    }
    at += CENTRAL.length + nameLength
  }
  throw new Error(`${wanted} is not in the archive`)
}

try {
  const letter = Buffer.from('Dear reader, '.repeat(1000))
  const archive = zip({ 'film.mp4': randomBytes(8 * 1024 * 1024), 'letter.txt': letter, 'notes.txt': Buffer.from('-') })
  await s3.send(new PutObjectCommand({ ...object, Body: archive }))
  server.requests.length = 0

  assert.deepEqual(await extract('letter.txt', 'unauthenticated'), letter)
  assert.deepEqual(await extract('letter.txt', 'whole-object'), letter)
  console.log(`letter.txt came out of an archive of ${archive.length} bytes`)
} finally {
  s3.destroy()
  await server.close()
}
