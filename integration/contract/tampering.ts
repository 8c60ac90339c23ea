// What somebody can do to stored objects who can write to the bucket but has no key, with a plain client. Nothing of it is
// ever read as plaintext, and what fails after a key was used looks the same.
import { outcomeOf, pattern, readsAll, store, versions } from './stored-objects.js'
import { check } from './support.js'
import { bodyChanges, envelopeChanges, flipBase64, swaps, tooShort, wrappedKeyOf } from './tampering-changes.js'
import { early, kinds, modes, mustFail, refusedAll, scene } from './tampering-modes.js'

for (const [version, options] of versions) {
  for (const [kind, uses, keys] of kinds) {
    const what = `tampering: ${version} ${kind}`
    check(
      `${what}: the body changed, cut, lengthened, exchanged`,
      async (t) => refusedAll(t, await scene(t, await keys(t), options), [...bodyChanges, ...tooShort, ...swaps]),
      { uses },
    )
    check(
      `${what}: each entry of the envelope`,
      async (t) => refusedAll(t, await scene(t, await keys(t), options), envelopeChanges(version, kind), early),
      { uses },
    )
    check(
      `${what}: a reader with another key`,
      async (t) => {
        const { another, good } = await scene(t, await keys(t), options)
        const key = t.key()
        await store(t, t.Bucket, key, good)
        for (const [mode, how, more] of modes) {
          const client = t.client({ ...readsAll, ...another, ...how })
          mustFail(await outcomeOf(client, t.Bucket, key, more), mode, 'ERR_S3CSE_DECRYPTION_FAILED', 'another key')
        }
      },
      { uses },
    )
  }

  check(
    `tampering: ${version} KMS: the key's name inside the wrapped key, and no ciphertext of KMS's`,
    async (t) => {
      const [, , keys] = kinds[2]!
      const wrapped = wrappedKeyOf[version]
      const changes: [name: string, make: (text: string) => string][] = [
        ['the first byte', (text) => flipBase64(text, 0)],
        ['a byte of the name', (text) => flipBase64(text, 20)],
        ['random bytes', (text) => pattern(Buffer.from(text, 'base64').length).toString('base64')],
      ]
      await refusedAll(
        t,
        await scene(t, await keys(t), options),
        changes.map(([name, make]) => ({
          name,
          change: ({ body, metadata }) => ({ body, metadata: { ...metadata, [wrapped]: make(metadata[wrapped]!) } }),
          code: 'ERR_S3CSE_DECRYPTION_FAILED',
        })),
      )
    },
    { uses: 'both' },
  )
}
