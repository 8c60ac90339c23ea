/** The S3 of a benchmark, in a process of its own. It keeps no record and computes no digest that nobody asked for. */
import { startS3 } from 's3-cse/testing'
import { giveAnswer, receiveTask, type ServerTask } from '../support/processes.js'

const { directory, paceBytesPerSecond, discardBodies = false } = await receiveTask<ServerTask>()
const s3 = await startS3({
  buckets: ['bench'],
  etag: 'random',
  verifyPayload: false,
  recordBodyBytes: 0,
  recordRequests: 1,
  discardBodies,
  ...(directory === undefined ? {} : { directory }),
  ...(paceBytesPerSecond === undefined ? {} : { paceBytesPerSecond }),
})
process.once('disconnect', () => void s3.close())
giveAnswer(s3.clientConfig)
