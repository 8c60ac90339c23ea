/** The names of KMS keys, and which answers of KMS belong to which. */

/** The parts of `arn:<partition>:kms:<region>:<account>:key/<id>`. */
export interface KmsKeyArn {
  readonly partition: string
  readonly region: string
  /** 12 digits. */
  readonly accountId: string
  readonly keyId: string
}

/** How a user may name a key: each form says something else about the answers that may be accepted. */
export type KmsKeyName =
  | ({ readonly form: 'key ARN' } & KmsKeyArn)
  | ({ readonly form: 'alias ARN' } & Omit<KmsKeyArn, 'keyId'>)
  | { readonly form: 'key id'; readonly keyId: string }
  | { readonly form: 'alias' }

const arnPattern = /^arn:([a-z][a-z0-9-]*):kms:([a-z0-9-]+):(\d{12}):(key|alias)\/(.+)$/
const keyIdInArn = /^[A-Za-z0-9-]{1,128}$/
const bareKeyId = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/
const aliasName = /^[A-Za-z0-9/_-]{1,250}$/

/** `undefined` if the text is no key ARN, alias ARN, key id or alias name. */
export function parseKmsKeyName(text: string): KmsKeyName | undefined {
  if (bareKeyId.test(text)) return { form: 'key id', keyId: text }
  if (text.startsWith('alias/')) return aliasName.test(text.slice('alias/'.length)) ? { form: 'alias' } : undefined
  const [, partition, region, accountId, kind, resource] = arnPattern.exec(text) ?? []
  if (partition === undefined || region === undefined || accountId === undefined || resource === undefined) {
    return undefined
  }
  if (kind === 'alias')
    return aliasName.test(resource) ? { form: 'alias ARN', partition, region, accountId } : undefined
  return keyIdInArn.test(resource) ? { form: 'key ARN', partition, region, accountId, keyId: resource } : undefined
}

/** The key ARN with which KMS says what key it used; `undefined` for anything else. */
export function parseKmsKeyArn(text: unknown): KmsKeyArn | undefined {
  const name = typeof text === 'string' ? parseKmsKeyName(text) : undefined
  return name?.form === 'key ARN' ? name : undefined
}

/**
 * Whether the key that KMS used is the configured one. For an alias KMS itself enforces the key, and only it knows
 * which one that is; what an alias ARN says beyond the name is compared. A multi-region key (its id starts with `mrk-`)
 * may answer with its replica in another region, which has the same key material.
 */
export function isConfiguredKey(configured: KmsKeyName, used: KmsKeyArn): boolean {
  switch (configured.form) {
    case 'alias':
      return true
    case 'key id':
      return used.keyId === configured.keyId
    case 'alias ARN':
      return samePlace(configured, used) && used.region === configured.region
    case 'key ARN':
      return (
        samePlace(configured, used) &&
        used.keyId === configured.keyId &&
        (used.region === configured.region || isMultiRegion(used))
      )
  }
}

/** Whether a key can have replicas in other regions. */
export function isMultiRegion({ keyId }: KmsKeyArn): boolean {
  return keyId.startsWith('mrk-')
}

export function formatKmsKeyArn({ partition, region, accountId, keyId }: KmsKeyArn): string {
  return `arn:${partition}:kms:${region}:${accountId}:key/${keyId}`
}

/** Whether two keys are the same one, or replicas of one multi-region key. */
export function isSameKey(one: KmsKeyArn, other: KmsKeyArn): boolean {
  return isConfiguredKey({ form: 'key ARN', ...one }, other)
}

function samePlace(a: Omit<KmsKeyArn, 'keyId'>, b: KmsKeyArn): boolean {
  return a.partition === b.partition && a.accountId === b.accountId
}
