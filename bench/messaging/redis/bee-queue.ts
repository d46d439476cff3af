/** bee-queue, whose finished jobs are removed. */
import BeeQueue from "bee-queue"
import { concurrency, type Connect, opening, type Payload } from "../Queue.ts"

export const connect: Connect = async (url, done) => {
  const { hostname, port } = new URL(url)
  const queue = new BeeQueue<Payload>("bench", {
    redis: { host: hostname, port: Number(port) },
    isWorker: done !== undefined,
    getEvents: false,
    sendEvents: false,
    removeOnSuccess: true
  })
  await queue.ready()
  if (done !== undefined) queue.process(concurrency, (job) => Promise.resolve(done(job.data)))
  return {
    many: (payloads) => queue.saveAll(payloads.map((payload) => queue.createJob(payload))),
    one: (payload) => queue.createJob(payload).save()
  }
}
export const open = opening(connect, import.meta.url)
