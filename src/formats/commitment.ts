import type { CommitmentPolicy } from './format.js'

/** All of them. */
export const commitmentPolicies: readonly CommitmentPolicy[] = Object.freeze([
  'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
  'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
  'FORBID_ENCRYPT_ALLOW_DECRYPT',
])

const readWithout: readonly CommitmentPolicy[] = Object.freeze([
  'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
  'FORBID_ENCRYPT_ALLOW_DECRYPT',
])

/** Those that read a suite, by whether it commits to its key. */
export function policiesThatRead({ committing }: { readonly committing: boolean }): readonly CommitmentPolicy[] {
  return committing ? commitmentPolicies : readWithout
}
