import { isWellFormed } from '../../bytes/well-formed.js'
import { configError } from '../../errors.js'
import type { Context } from '../../keyrings/keyring.js'
import { contextOf } from '../context-of.js'

/** In characters, after header decoding. */
const maxTextLength = 16 * 1024

/**
 * Reads a stored map: one JSON object of strings, no key twice (readers would disagree about which counts). The empty text
 * is the empty map. `undefined` for everything else. `maxLength` in characters.
 */
export function parseJsonMap(text: string, maxLength: number = maxTextLength): Context | undefined {
  if (text === '') return contextOf([])
  const entries = parseJsonObject(text, maxLength)
  return entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')
    ? contextOf(entries)
    : undefined
}

/** The members of one JSON object of strings and numbers, no key twice. `undefined` for everything else. */
export function parseJsonObject(text: string, maxLength: number): [string, string | number][] | undefined {
  if (text.length > maxLength) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
  const entries: [string, string | number][] = []
  let quotes = 0
  for (const [key, value] of Object.entries<unknown>(parsed as Record<string, unknown>)) {
    if (typeof value !== 'string' && typeof value !== 'number') return undefined
    // No UTF-8 has lone surrogates, so no honest writer does.
    if (!isWellFormed(key) || !isWellFormed(String(value))) return undefined
    entries.push([key, value])
    quotes += typeof value === 'string' ? 4 : 2
  }
  // JSON.parse keeps the last of equal keys without a word: the text then has more strings than the object.
  return countQuotes(text) === quotes ? entries : undefined
}

/** Quotes that are not escaped, in valid JSON, where a backslash stands in strings only. */
function countQuotes(text: string): number {
  let quotes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text[i]
    if (unit === '\\') i++
    else if (unit === '"') quotes++
  }
  return quotes
}

/**
 * Writes a map as JSON that S3 returns as it is: printable ASCII only, and without `=?`, which S3 would take for the start
 * of an RFC 2047 word. Throws ERR_S3CSE_CONFIG for text that no UTF-8 can hold.
 */
export function serialiseJsonMap(map: Context): string {
  for (const [key, value] of Object.entries(map)) {
    if (!isWellFormed(key) || !isWellFormed(value)) {
      throw configError('Encryption context and materials description may not contain half a surrogate pair.')
    }
  }
  return JSON.stringify(map)
    .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('=?', '\\u003d?')
}
