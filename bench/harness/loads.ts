/** Contenders side by side, with a server or without: rounds in an order that rotates, as a table of rates, ratios and heap. */
import type { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { answer, type CrewFailed, type Entry, startOne } from "./Crew.ts"
import { Heap, Weight } from "./Load.ts"
import { median, round, table } from "./stats.ts"
import { type Wish, Work } from "./Work.ts"

export interface Match {
  readonly title: string
  /** Name and file of each contender, the yardstick first; a file's address is relative to `from`. */
  readonly contenders: ReadonlyArray<readonly [name: string, file: string]>
  readonly from: string
  /** How many pieces of work a turn does. */
  readonly count: number
  readonly rounds: number
  /** Rounds before them that are not counted, for the compiler. Default 2. */
  readonly warmUps?: number
  /** How often the work is done in a turn before it is measured. Default 1. */
  readonly before?: number
  /** What all of them talk to. */
  readonly server?: Effect.Effect<{ readonly url: string }, Effect.Error<typeof Servers.redis>, Scope.Scope> | undefined
  /** What is measured: a table and its figures. Default: `match`. */
  readonly measure?: Measure
}

export type Measure = (
  one: Match
) => Effect.Effect<readonly [table: string, figures: unknown], CrewFailed | Effect.Error<typeof Servers.redis>>

export const nowhere = Effect.succeed({ url: "" })

/** Runs a match; answers its table and figures: pieces a second, the median of the ratios to the first, CPU time, heap. */
export const match = ({ before = 1, contenders, count, from, rounds, server = nowhere, title, warmUps = 2 }: Match) =>
  Effect.scoped(Effect.gen(function*() {
    const { url } = yield* server
    const entries = contenders.map(([name, file]): Entry => ({ name, module: new URL(file, from), url }))
    const children = yield* Effect.forEach(entries, (entry) => startOne(entry, "loadWorker.ts", ["--expose-gc"]))
    const weights = entries.map(() => new Array<Weight>())
    const heaps = entries.map(() => 0)
    // A collection that is asked for makes V8 compile anew what it runs next: heaps are weighed when all times are known.
    for (let turn = 0; turn <= rounds + warmUps; turn++) {
      const weigh = turn === rounds + warmUps
      const stage = weigh ? "heap" : turn < warmUps ? "warm-up" : `round ${turn - warmUps + 1} of ${rounds}`
      process.stderr.write(`${title}: ${stage}\n`)
      for (let index = 0; index < entries.length; index++) {
        const which = (index + turn) % entries.length
        const [entry, child] = [entries[which], children[which]]
        if (entry === undefined || child === undefined) continue
        const told = yield* Effect.suspend(() => {
          child.removeAllListeners("exit").removeAllListeners("message")
          child.send({ count, before, weigh })
          return answer(entry.name, child, "60 seconds")
        })
        if (weigh) heaps[which] = Schema.decodeUnknownSync(Heap)(told).heap
        else if (turn >= warmUps) weights[which]?.push(Schema.decodeUnknownSync(Weight)(told))
      }
    }
    const rate = (weight: Weight) => weight.count / weight.seconds
    const rows = entries.map(({ name }, which) => {
      const mine = weights[which] ?? []
      const ratios = mine.flatMap((weight, at) => {
        const yardstick = weights[0]?.[at]
        return yardstick === undefined ? [] : [rate(weight) / rate(yardstick)]
      })
      return [
        name,
        round(median(mine.map(rate))),
        round(median(ratios)),
        round(median(mine.map(({ count, cpuMicros }) => cpuMicros / count))),
        round(heaps[which] ?? 0, 2)
      ]
    })
    return [
      table(["", "a second", "ratio", "CPU µs", "heap MB"], rows),
      Object.fromEntries(entries.map(({ name }, which) => [name, { turns: weights[which], heap: heaps[which] }]))
    ] as const
  }))

/** Runs matches one after the other, and keeps the figures of each round in a file. */
export const play = (work: string, matches: ReadonlyArray<Match>) => (wish: Wish) =>
  Effect.gen(function*() {
    const played = new Work(work, wish, import.meta.url)
    for (const one of matches) {
      const shortened = wish.quick ? { ...one, count: Math.ceil(one.count / 10), rounds: 1 } : one
      const { measure = match } = one
      yield* played.part(one.title, measure(shortened))
    }
    yield* played.save
  })
