import { randomBytes, randomUUID } from 'node:crypto'
import { makeRsaPair, rsaKeyBits, type RsaPair } from './kms-algorithms.js'
import { kmsFailure } from './kms-error.js'

/** What a key can be in here; KMS has more. */
export type KmsKeyState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport' | 'Unavailable'

/** What a key can be made of. */
export type KmsKeySpec = 'SYMMETRIC_DEFAULT' | 'RSA_2048' | 'RSA_3072' | 'RSA_4096' | 'HMAC_256'

/** A key in one region. Replicas of a multi-region key share id and secrets, and nothing else. */
export interface KmsKey {
  readonly arn: string
  readonly keyId: string
  readonly accountId: string
  readonly region: string
  readonly usage: 'ENCRYPT_DECRYPT' | 'GENERATE_VERIFY_MAC'
  readonly spec: KmsKeySpec
  readonly description: string
  readonly created: Date
  /** Region of the primary key; `undefined` for a single-region key. */
  readonly primaryRegion: string | undefined
  /** The latest first; 32 bytes each. */
  readonly secrets: [Uint8Array, ...Uint8Array[]]
  /** Made when it is first needed, because making it takes time. */
  readonly rsaPair: () => RsaPair
  state: KmsKeyState
}

/** Where a request came in, and whose it is. */
export interface KmsPlace {
  readonly accountId: string
  readonly region: string
}

export interface NewKmsKey extends KmsPlace {
  readonly keyId?: string | undefined
  readonly multiRegion?: boolean | undefined
  readonly replicaRegions?: readonly string[] | undefined
  readonly usage?: KmsKey['usage'] | undefined
  readonly spec?: KmsKey['spec'] | undefined
  readonly description?: string | undefined
}

export interface KmsAlias {
  readonly name: string
  readonly arn: string
  readonly target: KmsKey
}

export function keyArn(place: KmsPlace, keyId: string): string {
  return `arn:aws:kms:${place.region}:${place.accountId}:key/${keyId}`
}

function aliasArn(place: KmsPlace, name: string): string {
  return `arn:aws:kms:${place.region}:${place.accountId}:${name}`
}

/** Keys and aliases of all accounts and regions. */
export class KmsKeys {
  readonly #keys = new Map<string, KmsKey>()
  readonly #aliases = new Map<string, KmsAlias>()

  create(options: NewKmsKey): KmsKey {
    const { accountId, region, replicaRegions = [], usage = 'ENCRYPT_DECRYPT', description = '' } = options
    const multiRegion = options.multiRegion ?? (replicaRegions.length > 0 || options.keyId?.startsWith('mrk-') === true)
    const keyId = options.keyId ?? (multiRegion ? `mrk-${randomUUID().replaceAll('-', '')}` : randomUUID())
    if (!/^\d{12}$/.test(accountId)) throw new TypeError('accountId must have 12 digits')
    if (!/^[A-Za-z0-9-]{1,128}$/.test(keyId)) throw new TypeError('keyId must consist of letters, digits and hyphens')
    if (multiRegion !== keyId.startsWith('mrk-')) {
      throw new TypeError('ids of multi-region keys, and only they, start with mrk-')
    }
    const spec = options.spec ?? (usage === 'ENCRYPT_DECRYPT' ? 'SYMMETRIC_DEFAULT' : 'HMAC_256')
    if ((spec === 'HMAC_256') !== (usage === 'GENERATE_VERIFY_MAC')) {
      throw new TypeError(`a key of spec ${spec} cannot be for ${usage}`)
    }
    const shared: Omit<KmsKey, 'arn' | 'region' | 'state'> = {
      keyId,
      accountId,
      usage,
      spec,
      description,
      created: new Date(),
      primaryRegion: multiRegion ? region : undefined,
      secrets: [randomBytes(32)],
      rsaPair: once(() => makeRsaPair(rsaKeyBits(spec) ?? 2048)),
    }
    const keys = [region, ...replicaRegions].map((where): KmsKey => {
      const arn = keyArn({ accountId, region: where }, keyId)
      if (this.#keys.has(arn)) throw new TypeError(`${arn} exists already`)
      return { ...shared, arn, region: where, state: 'Enabled' }
    })
    for (const key of keys) this.#keys.set(key.arn, key)
    return keys[0] as KmsKey
  }

  /** A replica of a multi-region key in another region, which has none yet. */
  replicate(key: KmsKey, region: string, description: string): KmsKey {
    const arn = keyArn({ accountId: key.accountId, region }, key.keyId)
    if (this.#keys.has(arn)) throw kmsFailure('AlreadyExistsException', `${arn} exists already`)
    const replica: KmsKey = { ...key, arn, region, description, created: new Date(), state: 'Enabled' }
    this.#keys.set(arn, replica)
    return replica
  }

  /** A key and its replicas, in the order in which they were made. */
  related(key: KmsKey): KmsKey[] {
    return [...this.#keys.values()].filter((one) => one.accountId === key.accountId && one.keyId === key.keyId)
  }

  byArn(arn: string): KmsKey | undefined {
    return this.#keys.get(arn)
  }

  /** Whether the id exists anywhere, in whatever region. */
  knows(accountId: string, keyId: string): boolean {
    return [...this.#keys.values()].some((key) => key.accountId === accountId && key.keyId === keyId)
  }

  /** A key id, key ARN, alias name or alias ARN, as a request in this place may give it. */
  resolve(name: string, place: KmsPlace): KmsKey {
    if (name.includes('alias/')) return this.#resolveAlias(name, place)
    const arn = name.startsWith('arn:') ? name : keyArn(place, name)
    if (regionOf(arn) !== place.region) throw kmsFailure('NotFoundException', `Invalid arn ${regionOf(arn)}`)
    const key = this.#keys.get(arn)
    if (key === undefined) throw kmsFailure('NotFoundException', `Key '${arn}' does not exist`)
    return key
  }

  #resolveAlias(name: string, place: KmsPlace): KmsKey {
    const arn = name.startsWith('arn:') ? name : aliasArn(place, name)
    if (regionOf(arn) !== place.region) throw kmsFailure('NotFoundException', `Invalid arn ${regionOf(arn)}`)
    const alias = this.#aliases.get(arn)
    if (alias === undefined) throw kmsFailure('NotFoundException', `Alias ${arn} is not found.`)
    return alias.target
  }

  aliases(place: KmsPlace): KmsAlias[] {
    return [...this.#aliases.values()].filter(
      ({ target }) => target.accountId === place.accountId && target.region === place.region,
    )
  }

  createAlias(name: string, target: KmsKey): void {
    const arn = checkedAliasArn(name, target)
    if (this.#aliases.has(arn)) {
      throw kmsFailure('AlreadyExistsException', `An alias with the name ${arn} already exists`)
    }
    this.#aliases.set(arn, { name, arn, target })
  }

  updateAlias(name: string, target: KmsKey): void {
    const arn = checkedAliasArn(name, target)
    if (!this.#aliases.has(arn)) throw kmsFailure('NotFoundException', `Alias ${arn} is not found.`)
    this.#aliases.set(arn, { name, arn, target })
  }

  deleteAlias(name: string, place: KmsPlace): void {
    const arn = checkedAliasArn(name, place)
    if (!this.#aliases.delete(arn)) throw kmsFailure('NotFoundException', `Alias ${arn} is not found.`)
  }
}

function checkedAliasArn(name: string, place: KmsPlace): string {
  if (!/^alias\/[A-Za-z0-9/_-]{1,250}$/.test(name)) {
    throw kmsFailure('InvalidAliasNameException', 'Alias must start with alias/ and name letters, digits, /, _ and -')
  }
  if (name.startsWith('alias/aws/')) {
    throw kmsFailure('NotAuthorizedException', 'Aliases that begin with alias/aws/ are reserved')
  }
  return aliasArn(place, name)
}

function regionOf(arn: string): string {
  return arn.split(':')[3] ?? ''
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
