// Objects that one runtime writes and another reads.
import { MIB, pattern, sameBytes, V2 } from './smoke-kit.mjs'

const objects = [
  ...['V3', 'V2'].flatMap((version) =>
    ['AES', 'RSA', 'KMS'].map((keyring) => ({ version, keyring, length: 1000, upload: false })),
  ),
  { version: 'V3', keyring: 'AES', length: 0, upload: false },
  { version: 'V3', keyring: 'KMS', length: 6 * MIB + 5, upload: false },
  { version: 'V3', keyring: 'AES', length: 12 * MIB, upload: true },
  { version: 'V2', keyring: 'RSA', length: 12 * MIB, upload: true },
]

const keyOf = ({ version, keyring, length }) => `exchange/${version}-${keyring}-${length}`
const clientFor = (w, { version, keyring }) => w.client({ keyring: w.keyrings[keyring], ...(version === 'V2' && V2) })

export async function writeAll(w) {
  for (const object of objects) {
    const [s3, Body] = [clientFor(w, object), pattern(object.length, object.length + 3)]
    if (!object.upload) await w.put(s3, keyOf(object), Body)
    else {
      const params = { ...w.name(keyOf(object)), Body }
      await new w.env.Upload({ client: s3, params, partSize: 5 * MIB }).done()
    }
  }
}

/** `from`: a world whose names are those of the writer. */
export async function readAll(from) {
  for (const object of objects) {
    const bytes = await from.get(clientFor(from, object), keyOf(object))
    sameBytes(bytes, pattern(object.length, object.length + 3), keyOf(object))
  }
}
