/** What the caller of a benchmark can put right; shown without a stack. */
export class UsageError extends Error {}
