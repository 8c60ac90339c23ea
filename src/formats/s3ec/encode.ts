import { encodeBase64 } from '../../bytes/base64.js'
import type { Context } from '../../keyrings/keyring.js'
import type { ObjectMetadata } from '../format.js'
import { serialiseJsonMap } from './json-map.js'
import { committingSuite, type SuiteRow } from './suites.js'
import { bindsContext, type WrapRow } from './wraps.js'

interface Parts {
  readonly wrap: WrapRow
  readonly encryptedDataKey: Uint8Array
  readonly context: Context
}

/** The metadata of format V1: always CBC, and the wrap is not stored. */
export function encodeV1(parts: Parts & { readonly iv: Uint8Array }): ObjectMetadata {
  return {
    'x-amz-key': encodeBase64(parts.encryptedDataKey),
    'x-amz-iv': encodeBase64(parts.iv),
    'x-amz-matdesc': serialiseJsonMap(parts.context),
  }
}

/** The metadata of format V2. The description is written even if empty: C++ does not read objects without it. */
export function encodeV2(parts: Parts & { readonly iv: Uint8Array; readonly suite: SuiteRow }): ObjectMetadata {
  const { suite } = parts
  return {
    'x-amz-key-v2': encodeBase64(parts.encryptedDataKey),
    'x-amz-iv': encodeBase64(parts.iv),
    'x-amz-cek-alg': String(suite.stored[0]),
    'x-amz-wrap-alg': parts.wrap.name,
    'x-amz-matdesc': serialiseJsonMap(parts.context),
    ...(suite.tagLength > 0 && { 'x-amz-tag-len': String(suite.tagLength * 8) }),
  }
}

/** The metadata of format V3. An empty map is left out, as Java's writer does. */
export function encodeV3(
  parts: Parts & { readonly messageId: Uint8Array; readonly commitment: Uint8Array },
): ObjectMetadata {
  const empty = Object.keys(parts.context).length === 0
  return {
    'x-amz-c': String(committingSuite.stored[0]),
    'x-amz-3': encodeBase64(parts.encryptedDataKey),
    'x-amz-w': String(parts.wrap.code),
    'x-amz-d': encodeBase64(parts.commitment),
    'x-amz-i': encodeBase64(parts.messageId),
    ...(!empty && { [bindsContext(parts.wrap) ? 'x-amz-t' : 'x-amz-m']: serialiseJsonMap(parts.context) }),
  }
}
