/** How long a job takes from its enqueue in one process to its start in another that is idle. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answer, startOne } from "../harness/Crew.ts"
import { type Measure, nowhere } from "../harness/loads.ts"
import { median, percentile, round, table } from "../harness/stats.ts"
import type { Order } from "./delayWorker.ts"

const delaysOf = Schema.decodeUnknownSync(Schema.Array(Schema.Number))

/** The first rounds are for the compiler: more jobs, less far apart. */
const warmUps = 2
const warming: Order = { count: 1000, pause: 0 }

/** Milliseconds between two jobs that are counted. */
const pause = 10

/** The table of one server: the contenders' files, the yardstick first. */
export const delays: Measure = ({ contenders, count, from, rounds, server = nowhere, title }) =>
  Effect.scoped(Effect.gen(function*() {
    const { url } = yield* server
    const pairs = yield* Effect.forEach(contenders, ([name, file]) => {
      const start = (file: string) =>
        startOne({ name, module: new URL(file, from), url }, "../messaging/delayWorker.ts")
      return Effect.all({ name: Effect.succeed(name), worker: start(`${file}?work`), enqueuer: start(file) })
    })
    const all = pairs.map(() => new Array<ReadonlyArray<number>>())
    for (let turn = 0; turn < rounds + warmUps; turn++) {
      process.stderr.write(`${title}: ${turn < warmUps ? "warm-up" : `round ${turn - warmUps + 1} of ${rounds}`}\n`)
      for (let index = 0; index < pairs.length; index++) {
        const which = (index + turn) % pairs.length
        const pair = pairs[which]
        if (pair === undefined) continue
        const { enqueuer, name, worker } = pair
        const told = yield* Effect.suspend(() => {
          worker.removeAllListeners("exit").removeAllListeners("message")
          const wanted: Order = turn < warmUps ? warming : { count, pause }
          worker.send(wanted, () => enqueuer.send(wanted))
          return answer(name, worker, "60 seconds")
        })
        if (turn >= warmUps) all[which]?.push(delaysOf(told))
      }
    }
    const rows = pairs.map(({ name }, which) => {
      const mine = all[which] ?? []
      const ratios = mine.flatMap((delays, at) => {
        const yardstick = all[0]?.[at]
        return yardstick === undefined ? [] : [median(delays) / median(yardstick)]
      })
      const every = mine.flat()
      return [name, ...[median(every), median(ratios), percentile(every, 0.99)].map((value) => round(value))]
    })
    return [
      table(["ms", "p50", "ratio", "p99"], rows),
      Object.fromEntries(pairs.map(({ name }, which) => [name, all[which]]))
    ] as const
  }))
