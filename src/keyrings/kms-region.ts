import type { KmsClientLike } from './kms-client.js'

/** Where a client asks KMS; `undefined` where that cannot be told, which is then for the client itself to complain about. */
export async function regionOf(client: KmsClientLike): Promise<string | undefined> {
  try {
    const config = 'config' in client ? (client.config as { readonly region?: unknown } | null | undefined) : undefined
    const region: unknown =
      typeof config?.region === 'function' ? await (config.region as () => unknown)() : config?.region
    return typeof region === 'string' ? region : undefined
  } catch {
    return undefined
  }
}
