import { clientRangeProperty } from './client-ranges.js'
import { instructionFileProperty } from './instruction-files.js'
import { fileRoundTripProperty, headerTextProperty, jsonProperty, mapRoundTripProperty } from './maps.js'
import { metadataProperty } from './metadata.js'
import { openingProperty } from './opening.js'
import type { FuzzProperty } from './property.js'
import { rangeProperty } from './ranges.js'
import { uploadTextProperty } from './upload-texts.js'

export const properties: readonly FuzzProperty[] = [
  metadataProperty,
  openingProperty,
  instructionFileProperty,
  jsonProperty,
  headerTextProperty,
  mapRoundTripProperty,
  fileRoundTripProperty,
  rangeProperty,
  clientRangeProperty,
  uploadTextProperty,
]
