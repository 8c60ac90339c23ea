/** CRC-32C and CRC-64/NVME, eight bytes a step (slicing-by-8). CRC-32 comes from node:zlib. */

/** A running checksum. */
export interface RunningDigest {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}

// Bit-reversed polynomials (RFC 3385 Castagnoli; NVM Express base specification, 64-bit CRC).
const CASTAGNOLI = 0x82f63b78n
const NVME = 0x9a6c9329ac4bc9b5n

interface Tables {
  readonly low: Uint32Array
  readonly high: Uint32Array
}

const made = new Map<bigint, Tables>()

// Table k, entry i: the register after byte i and k zero bytes, split into its halves.
function tables(polynomial: bigint): Tables {
  const known = made.get(polynomial)
  if (known !== undefined) return known
  const low = new Uint32Array(8 * 256)
  const high = new Uint32Array(8 * 256)
  const first = Array.from({ length: 256 }, (_, i) => {
    let value = BigInt(i)
    for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ polynomial : value >> 1n
    return value
  })
  first.forEach((start, i) => {
    let value = start
    for (let k = 0; k < 8; k++) {
      low[k * 256 + i] = Number(value & 0xffffffffn)
      high[k * 256 + i] = Number(value >> 32n)
      value = (value >> 8n) ^ (first[Number(value & 0xffn)] ?? 0n)
    }
  })
  const result = { low, high }
  made.set(polynomial, result)
  return result
}

export function crc32c(): RunningDigest {
  return running(tables(CASTAGNOLI), 4)
}

export function crc64nvme(): RunningDigest {
  return running(tables(NVME), 8)
}

// One loop for both widths: with 32 bits the upper half of the register stays zero.
function running({ low: tl, high: th }: Tables, bytes: 4 | 8): RunningDigest {
  let low = 0xffffffff
  let high = bytes === 8 ? 0xffffffff : 0
  return {
    update(data) {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
      const whole = data.length - (data.length % 8)
      let at = 0
      for (; at < whole; at += 8) {
        const a = low ^ view.getUint32(at, true)
        const b = high ^ view.getUint32(at + 4, true)
        const i7 = 1792 + (a & 255)
        const i6 = 1536 + ((a >>> 8) & 255)
        const i5 = 1280 + ((a >>> 16) & 255)
        const i4 = 1024 + (a >>> 24)
        const i3 = 768 + (b & 255)
        const i2 = 512 + ((b >>> 8) & 255)
        const i1 = 256 + ((b >>> 16) & 255)
        const i0 = b >>> 24
        low = lookup(tl, i7, i6, i5, i4) ^ lookup(tl, i3, i2, i1, i0)
        high = lookup(th, i7, i6, i5, i4) ^ lookup(th, i3, i2, i1, i0)
      }
      for (; at < data.length; at++) {
        const i = (low ^ view.getUint8(at)) & 255
        low = ((low >>> 8) | (high << 24)) ^ (tl[i] ?? 0)
        high = (high >>> 8) ^ (th[i] ?? 0)
      }
    },
    digest() {
      const result = new DataView(new ArrayBuffer(bytes))
      if (bytes === 8) result.setUint32(0, ~high >>> 0)
      result.setUint32(bytes - 4, ~low >>> 0)
      return new Uint8Array(result.buffer)
    },
  }
}

function lookup(table: Uint32Array, a: number, b: number, c: number, d: number): number {
  return (table[a] ?? 0) ^ (table[b] ?? 0) ^ (table[c] ?? 0) ^ (table[d] ?? 0)
}
