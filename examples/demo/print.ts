/** How the demo's output is laid out. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const WIDTH = 100
const INDENT = '  '

export function heading(title: string): void {
  console.log(`\n${title}\n${'─'.repeat(Math.min(title.length, WIDTH))}`)
}

/** A paragraph, broken between words. */
export function text(paragraph: string): void {
  for (const line of wrap(paragraph, WIDTH - INDENT.length)) console.log(INDENT + line)
}

/** Names and values in two columns. Values without spaces that do not fit are shown in part, with their length. */
export function rows(values: Readonly<Record<string, string>>): void {
  const column = Math.max(...Object.keys(values).map((name) => name.length)) + 2
  const room = WIDTH - INDENT.length * 2 - column
  for (const [name, value] of Object.entries(values)) {
    const fits = value.includes(' ') || value.length <= room
    const tail = `… (${value.length} characters)`
    const lines = fits ? wrap(value, room) : [value.slice(0, room - tail.length) + tail]
    for (const [i, line] of lines.entries()) {
      console.log(INDENT + INDENT + (i === 0 ? name : '').padEnd(column) + line)
    }
  }
}

/** Columns of text, the first to the left, the others to the right. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): void {
  const lines = [head, ...body]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  for (const line of lines) {
    const cells = line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart((widths[i] ?? 0) + 3)))
    console.log(INDENT + INDENT + cells.join(''))
  }
}

/** The lines of a source file between `// >>> name` and `// <<< name`, as they stand there. */
export function code(url: string, name: string): void {
  const file = fileURLToPath(url)
  const lines = readFileSync(file, 'utf8').split('\n')
  const at = (marker: string): number => {
    const found = lines.findIndex((line) => line.trim() === `// ${marker} ${name}`)
    if (found < 0) throw new Error(`${file} has no line // ${marker} ${name}`)
    return found
  }
  const [begin, end] = [at('>>>') + 1, at('<<<')]
  const shown = lines.slice(begin, end)
  const margin = Math.min(...shown.filter((line) => line !== '').map((line) => line.search(/\S/)))
  text(`${path.basename(file)}, lines ${begin + 1} to ${end}:`)
  console.log()
  for (const line of shown) console.log((INDENT + INDENT + line.slice(margin)).trimEnd())
}

/** 98,932,688 bytes (94.3 MiB) */
export function bytes(count: number): string {
  const exact = `${count.toLocaleString('en')} byte${count === 1 ? '' : 's'}`
  return count < 1024 ** 2 ? exact : `${exact} (${(count / 1024 ** 2).toFixed(1)} MiB)`
}

function wrap(paragraph: string, width: number): string[] {
  const lines = ['']
  for (const word of paragraph.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines
}
