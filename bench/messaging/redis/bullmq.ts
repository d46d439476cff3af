/** bullmq, whose finished jobs are removed. */
import { Queue, Worker } from "bullmq"
import { concurrency, type Connect, opening, type Payload } from "../Queue.ts"

export const connect: Connect = async (url, done) => {
  const connection = { url, maxRetriesPerRequest: null }
  const queue = new Queue<Payload>("bench", { connection, defaultJobOptions: { removeOnComplete: true } })
  await queue.waitUntilReady()
  if (done !== undefined) {
    const worker = new Worker<Payload>("bench", (job) => Promise.resolve(done(job.data)), { connection, concurrency })
    await worker.waitUntilReady()
  }
  return {
    many: (payloads) => queue.addBulk(payloads.map((data) => ({ name: "job", data }))),
    one: (payload) => queue.add("job", payload)
  }
}
export const open = opening(connect, import.meta.url)
