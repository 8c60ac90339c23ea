import { Buffer } from 'node:buffer'
import { generateKeyPair, x25519Keyring } from 's3-cse/crypt4gh'
import type { KeyPair } from 's3-cse/crypt4gh'
import type { Keyring } from 's3-cse'

export const PEOPLE = ['ada', 'ben', 'cem', 'dan'] as const
export type Person = (typeof PEOPLE)[number]
export type People = Readonly<Record<Person, KeyPair>>

export async function makePeople(): Promise<People> {
  const [ada, ben, cem, dan] = [generateKeyPair(), generateKeyPair(), generateKeyPair(), generateKeyPair()]
  return { ada: await ada, ben: await ben, cem: await cem, dan: await dan }
}

/** Reads as one of them, and writes for others. */
export const keyringOf = (people: People, own: Person, recipients: readonly Person[] = [own]): Keyring =>
  x25519Keyring({ secretKey: people[own], recipients: recipients.map((each) => people[each].publicKey) })

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
