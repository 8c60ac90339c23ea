import assert from 'node:assert/strict'

import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { object } from '../support/s3ec-objects.js'
import { checkBase64, checkPlaces, checkSummary, envelopeNames } from './envelope-model.js'
import { metadataValues } from './envelopes.js'
import { checkPrototypes, twice } from './outcome.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'

const format = s3ec()
const invalid = ['ERR_S3CSE_ENVELOPE_INVALID'] as const
const asBytes = ['x-amz-key', 'x-amz-key-v2', 'x-amz-3', 'x-amz-iv', 'x-amz-i', 'x-amz-d']

/** `recognise` and `wanted` over metadata. */
export const metadataProperty: FuzzProperty = fuzz({
  name: 'metadata',
  share: 280,
  expects: ['V1', 'V2', 'V3', 'none', 'refused', 'refused for its file'],
  values: metadataValues,
  check(metadata) {
    const found = twice(() => format.recognise(metadata, object), invalid)
    const file = twice(() => ({ wanted: format.instructionFiles?.wanted(metadata, object) }), invalid)
    checkPrototypes()
    const wanted = 'error' in file ? 'refused' : (file.value.wanted ?? 'none')
    if ('error' in found) {
      assert.notEqual(wanted, 'possible')
      return wanted === 'needed' ? 'refused for its file' : 'refused'
    }
    if (found.value === undefined) {
      assert.equal(wanted, 'possible')
      assert.deepEqual(envelopeNames(Object.keys(metadata)), [])
      return 'none'
    }
    assert.equal(wanted, 'none')
    const { summary } = found.value
    checkSummary(summary)
    checkPlaces(summary.version, metadata, undefined)
    assert.equal(summary.instructionFile, undefined)
    for (const [name, value] of Object.entries(metadata)) if (asBytes.includes(name.toLowerCase())) checkBase64(value)
    return summary.version
  },
})
