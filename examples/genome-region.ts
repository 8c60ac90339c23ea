/**
 * One region of a genome out of an encrypted file of alignments, in the manner of BAM and its index: records sorted by
 * position, packed in blocks that are inflated one by one (BGZF), and an index that says in which block a region begins.
 * The object is Crypt4GH, for two recipients; of it only the 64 KiB segments are read that have the blocks, each
 * authenticated. In the end somebody else becomes a recipient, and the body does not leave S3 for that.
 *
 * The records are lines of text here: the places of blocks, virtual offsets and ranged reads are what BAM has.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { deflateRawSync, gunzipSync, crc32 } from 'node:zlib'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { encryptedView, encryptionInfo, reencrypt } from 's3-cse'
import { crypt4gh, generateKeyPair, x25519Keyring, type KeyPair } from 's3-cse/crypt4gh'
import { startS3 } from 's3-cse/testing'

/** Where a window of so many positions begins: its block's offset in the file, shifted by 16 bits, and its own in the block. */
type Index = readonly bigint[]
const WINDOW = 16_384
/** Bytes of a block before it is packed, at most. */
const BLOCK = 0xff00
const READ_LENGTH = 100

type Alignment = Readonly<{ position: number; text: string }>

/** SAMv1 section 4.1: gzip with an extra field that says how long the block is, so that blocks can be found. */
function bgzf(content: Uint8Array): Buffer {
  const packed = deflateRawSync(content)
  const header = Buffer.from('1f8b08040000000000ff060042430200ffff', 'hex')
  header.writeUInt16LE(header.length + packed.length + 8 - 1, 16)
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(content), 0)
  trailer.writeUInt32LE(content.length, 4)
  return Buffer.concat([header, packed, trailer])
}

/** Sorted records, in blocks, and where the first record of each window is. */
function pack(reads: readonly Alignment[]): { readonly file: Buffer; readonly index: Index } {
  const blocks: Buffer[] = []
  const index: bigint[] = []
  let [offset, inflated, content] = [0, 0, [] as Buffer[]]
  const flush = (): void => {
    const block = bgzf(Buffer.concat(content))
    blocks.push(block)
    offset += block.length
    ;[inflated, content] = [0, []]
  }
  for (const { position, text } of reads) {
    const line = Buffer.from(`${position}\t${text}\n`)
    if (inflated + line.length > BLOCK) flush()
    // Windows without a record begin where the next record is.
    while (index.length <= position / WINDOW) index.push((BigInt(offset) << 16n) | BigInt(inflated))
    content.push(line)
    inflated += line.length
  }
  flush()
  index.push(BigInt(offset) << 16n)
  return { file: Buffer.concat(blocks), index }
}

const server = await startS3({ buckets: ['genomes'] })
const s3 = new S3Client(server.clientConfig)
const object = { Bucket: 'genomes', Key: 'sample.bgzf.c4gh' }
/** What somebody reads and writes with: Crypt4GH, read with their own key. */
const clientOf = (own: KeyPair, recipients = [own]): S3Client => {
  const keyring = x25519Keyring({ secretKey: own, recipients: recipients.map(({ publicKey }) => publicKey) })
  return encryptedView(s3, { keyring, format: crypt4gh() })
}

/** The records from `first` to before `end`: two entries of the index, one ranged read, and some blocks to inflate. */
async function region(client: S3Client, index: Index, first: number, end: number): Promise<string[]> {
  // A read that begins before the region may reach into it.
  const from = index[Math.floor(Math.max(0, first - READ_LENGTH) / WINDOW)] ?? 0n
  const to = index[Math.min(index.length - 1, Math.ceil(end / WINDOW))] ?? 0n
  const start = Number(from >> 16n)
  // The end is inside of a block, of which only the next one's begin is known for sure: no block has more than 64 KiB.
  const Range = `bytes=${start}-${Number(to >> 16n) + 65_535}`
  const output = await client.send(new GetObjectCommand({ ...object, Range }))
  assert.equal(encryptionInfo(output)?.authentication, 'verified')
  const bytes = Buffer.from((await output.Body?.transformToByteArray()) ?? [])
  const inflated: Buffer[] = []
  for (let at = 0; at + 18 <= bytes.length && at <= Number(to >> 16n) - start;) {
    const length = bytes.readUInt16LE(at + 16) + 1
    inflated.push(gunzipSync(bytes.subarray(at, at + length)))
    at += length
  }
  const text = Buffer.concat(inflated).toString('utf8', Number(from & 0xffffn))
  const isIn = (position: number): boolean => position + READ_LENGTH > first && position < end
  return text.split('\n').filter((line) => line !== '' && isIn(parseInt(line)))
}

try {
  // Four letters a byte.
  const fours = Array.from({ length: 256 }, (_, byte) => [0, 2, 4, 6].map((by) => 'ACGT'[(byte >> by) & 3]).join(''))
  const bases = (): string => Array.from(randomBytes(READ_LENGTH / 4), (byte) => fours[byte]).join('')
  const reads = Array.from({ length: 180_000 }, (_, i) => ({ position: 1000 + 37 * i, text: `read${i}\t${bases()}` }))
  const { file, index } = pack(reads)
  const [ada, ben, cem] = [await generateKeyPair(), await generateKeyPair(), await generateKeyPair()]
  await clientOf(ada, [ada, ben]).send(new PutObjectCommand({ ...object, Body: file }))
  server.requests.length = 0
  const [first, end] = [1_500_000, 1_500_200]
  const found = await region(clientOf(ben), index, first, end)
  const wanted = reads.filter(({ position }) => position + READ_LENGTH > first && position < end)
  assert.equal(found.join('\n'), wanted.map(({ position, text }) => `${position}\t${text}`).join('\n'))
  console.log(found.join('\n'))
  const fetched = server.requests.map(({ headers }) => /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? ''))
  const bytes = fetched.reduce((sum, range) => sum + Number(range?.[2]) - Number(range?.[1]) + 1, 0)
  console.log(`\n${bytes} bytes were requested, in ${fetched.length} requests, of ${file.length}`)
  assert.ok(bytes < file.length / 5)

  // Cem becomes a recipient: a new header, by who can open the old one.
  const keyring = x25519Keyring({ secretKey: ada, recipients: [ada, cem].map(({ publicKey }) => publicKey) })
  const { bytesCopied, bytesMoved } = await reencrypt(clientOf(ada), { ...object, to: keyring })
  console.log(`re-encrypted: ${bytesCopied} bytes of the body were copied within S3, ${bytesMoved} came through here`)
  for (const reader of [ada, ben, cem]) assert.deepEqual(await region(clientOf(reader), index, first, end), found)
} finally {
  s3.destroy()
  await server.close()
}
