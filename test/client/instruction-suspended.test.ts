// A bucket whose versioning was suspended keeps nothing of what is replaced: it is as one without.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { code } from '../support/errors.js'
import { pattern, put, read } from '../support/world.js'
import { file, instructionWorld, judge, overwrite, snapshot, versions, write } from './instruction-support.js'
import { begin } from './multipart-support.js'

const w = await instructionWorld('Suspended')
const [old, fresh] = [pattern(1000), pattern(2000)]

for (const [version, policy] of Object.entries(versions)) {
  describe(version, { timeout: 30_000 }, () => {
    it('overwriting needs the option', async () => {
      const key = `${version} option`
      await put(w.client({ ...write, ...policy }), key, old)
      const before = await snapshot(w, key, file(key))
      const refused = code('ERR_S3CSE_INSTRUCTION_FILE')
      await assert.rejects(put(w.client({ ...write, ...policy }), key, fresh), refused)
      await assert.rejects(begin(w.client({ ...write, ...policy }), key), refused)
      assert.deepEqual(await snapshot(w, key, file(key)), before)
      await put(w.client({ ...overwrite, ...policy }), key, fresh)
      assert.deepEqual(await judge(w, key), fresh)
    })

    it('a failure leaves nothing, or what was there', async () => {
      const key = `${version} failure`
      w.fail('PutObject', key, { status: 403, times: 2 })
      await assert.rejects(put(w.client({ ...write, ...policy }), key, fresh))
      assert.deepEqual(await snapshot(w, key, file(key)), [undefined, undefined])
      w.s3.faults.length = 0
      await put(w.client({ ...write, ...policy }), key, old)
      const before = await snapshot(w, key, file(key))
      w.fail('PutObject', key, { status: 403 })
      await assert.rejects(put(w.client({ ...overwrite, ...policy }), key, fresh))
      assert.deepEqual(await snapshot(w, key, file(key)), before)
      assert.deepEqual(await read(w.client(policy), key), old)
    })
  })
}
