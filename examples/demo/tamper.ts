import { Readable } from 'node:stream'

/** The same stream with the lowest bit of the byte at `place` flipped. */
export function flipBit(stream: Readable, place: number): Readable {
  return Readable.from(flipped(stream, place))
}

async function* flipped(stream: Readable, place: number): AsyncGenerator<Buffer> {
  let position = 0
  for await (const item of stream) {
    const chunk = item as Buffer
    const at = place - position
    if (at >= 0 && at < chunk.length) chunk[at] = (chunk[at] as number) ^ 1
    position += chunk.length
    yield chunk
  }
}
