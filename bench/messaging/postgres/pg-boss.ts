/** pg-boss, which fetches and completes five hundred at once; where there is nothing it looks again after 10 ms. */
import { setTimeout } from "node:timers/promises"
import { PgBoss } from "pg-boss"
import { type Connect, opening, type Payload } from "../Queue.ts"

const batchSize = 500

export const connect: Connect = async (connectionString, done) => {
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false })
  await boss.start()
  await boss.createQueue("bench")
  if (done !== undefined) void work(boss, done)
  return {
    many: (payloads) => boss.insert("bench", payloads.map((data) => ({ data }))),
    one: (payload) => boss.send("bench", payload)
  }
}

const work = async (boss: PgBoss, done: (payload: Payload) => void): Promise<never> => {
  for (;;) {
    const jobs = await boss.fetch<Payload>("bench", { batchSize })
    if (jobs.length === 0) await setTimeout(10)
    else {
      for (const { data } of jobs) done(data)
      await boss.complete("bench", jobs.map(({ id }) => id))
    }
  }
}
export const open = opening(connect, import.meta.url)
