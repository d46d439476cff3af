/** graphile-worker, tuned as its page on performance says: a local queue of 500, completions together. */
import * as Schema from "effect/Schema"
import { Logger, makeWorkerUtils, run, type Task } from "graphile-worker"
import { concurrency, type Connect, opening, Payload } from "../Queue.ts"

export const connect: Connect = async (connectionString, done) => {
  const logger = new Logger(() => () => {})
  const utils = await makeWorkerUtils({ connectionString, logger })
  await utils.migrate()
  if (done !== undefined) await work(connectionString, logger, done)
  return {
    many: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "bench", payload }))),
    one: (payload) => utils.addJob("bench", payload)
  }
}

const work = (connectionString: string, logger: Logger, done: (payload: Payload) => void) => {
  const bench: Task = (payload) => done(Schema.decodeUnknownSync(Payload)(payload))
  return run({
    connectionString,
    logger,
    noHandleSignals: true,
    taskList: { bench },
    preset: {
      worker: {
        concurrentJobs: concurrency,
        maxPoolSize: 10,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0
      }
    }
  })
}
export const open = opening(connect, import.meta.url)
