/** As much XML as S3's requests and answers need. */

/** An element for `xml`: text, child elements, or a list for a repeated element; undefined is left out. */
export type XmlValue = string | number | boolean | undefined | XmlChildren | readonly XmlChildren[]
export interface XmlChildren {
  readonly [name: string]: XmlValue
}

export interface XmlElement {
  readonly name: string
  readonly children: XmlElement[]
  text: string
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** A whole document. Errors have no namespace, everything else has S3's. */
export function xmlDocument(root: string, children: XmlChildren): Uint8Array {
  const namespace = root === 'Error' ? '' : ` xmlns="${NAMESPACE}"`
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${content(children)}</${root}>`
  return new TextEncoder().encode(text)
}

function content(children: XmlChildren): string {
  return Object.entries(children)
    .map(([name, value]) => element(name, value))
    .join('')
}

// (A name may have attributes behind it.)
function element(name: string, value: XmlValue): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return (value as readonly XmlChildren[]).map((one) => element(name, one)).join('')
  return `<${name}>${typeof value === 'object' ? content(value as XmlChildren) : escapeText(String(value))}</${name.replace(/ .*/s, '')}>`
}

const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escapeText(text: string): string {
  // Control characters cannot stand in XML 1.0 at all; S3 sends them as references too, and offers encoding-type=url.
  // eslint-disable-next-line no-control-regex
  return text.replace(/[&<>"\u0000-\u001f\u007f]/g, (c) => {
    return NAMED[c] ?? `&#x${c.charCodeAt(0).toString(16)};`
  })
}

/** The root element, or undefined if the text is not well formed. Attributes, comments and the declaration are skipped. */
export function parseXml(text: string): XmlElement | undefined {
  const document: XmlElement = { name: '', children: [], text: '' }
  const open = [document]
  const token =
    /<\?[^]*?\?>|<!--[^]*?-->|<(\/?)([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y
  let at = 0
  while (at < text.length) {
    token.lastIndex = at
    const found = token.exec(text)
    const current = open.at(-1)
    if (found === null || current === undefined) return undefined
    at = token.lastIndex
    const [, closing, name, , empty, characters] = found
    if (characters !== undefined) {
      const plain = unescapeText(characters)
      if (plain === undefined || (current === document && plain.trim() !== '')) return undefined
      current.text += plain
    } else if (name !== undefined && closing === '/') {
      if (open.pop()?.name !== name) return undefined
    } else if (name !== undefined) {
      const child: XmlElement = { name, children: [], text: '' }
      current.children.push(child)
      if (empty !== '/') open.push(child)
    }
  }
  return open.length === 1 && document.children.length === 1 ? document.children[0] : undefined
}

/** The text of the first child of that name. */
export function childText(parent: XmlElement, name: string): string | undefined {
  return parent.children.find((child) => child.name === name)?.text
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeText(text: string): string | undefined {
  const bad: string[] = []
  const plain = text.replace(/&([^;&]*);?/g, (all, name: string) => {
    const number = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name)
    const point = number === null ? NaN : parseInt(number[1] ?? number[2] ?? '', number[1] === undefined ? 10 : 16)
    const character = point <= 0x10ffff ? String.fromCodePoint(point) : ENTITIES[name]
    if (character === undefined || !all.endsWith(';')) bad.push(all)
    return character ?? ''
  })
  return bad.length === 0 ? plain : undefined
}
