import { runtime } from '#runtime'

/** Random bytes that are not all zero, as S3EC asks of IVs and message ids. `length` > 0. The `random` parameter is for tests. */
export function randomNonZeroBytes(
  length: number,
  random: (length: number) => Uint8Array = (wanted) => runtime.randomBytes(wanted),
): Uint8Array {
  for (;;) {
    const bytes = random(length)
    if (bytes.some((byte) => byte !== 0)) return bytes
  }
}
