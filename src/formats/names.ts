import type { ObjectName } from './format.js'

/** An object as messages name it. */
export function nameOf({ bucket, key }: ObjectName): string {
  return shown(`${bucket}/${key}`, 1200)
}

/** A piece of text that came from elsewhere, quoted, in printable ASCII and cut to a length. */
export function shown(text: string, length = 64): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text
  return JSON.stringify(cut).replace(/[^ -~…]/gu, '?')
}
