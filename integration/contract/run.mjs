// The contract suite against several pairs of an S3 and a KMS, one after the other (docs/testing.md):
//   node integration/contract/run.mjs [target…] [suite…] [--option of node…]
// Targets are in-process, localstack, versitygw and moto; none named: all four. With S3_ENDPOINT or KMS_ENDPOINT in the
// environment: once, against those; what is missing of the two is in-process. Credentials are those of
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else test and testtesttest.
import { register } from 'tsx/esm/api'

register()
const { main } = await import('./targets.ts')
process.exitCode = await main(process.argv.slice(2))
