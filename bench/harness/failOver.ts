/** Fail-over: from the SIGKILL of the process that has a seat to the moment at which the next one has it. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type { ChildProcess } from "node:child_process"
import { answer, type CrewFailed, type Entry, startOne } from "./Crew.ts"
import { ttl } from "./Seat.ts"
import { median, round, table } from "./stats.ts"
import { now } from "./Task.ts"

/** Fail-overs of each contender in turn, in milliseconds. */
export const failOvers = (
  entries: ReadonlyArray<Entry>,
  rounds: number
): Effect.Effect<readonly [table: string, millis: Readonly<Record<string, ReadonlyArray<number>>>], CrewFailed> =>
  Effect.gen(function*() {
    const millis = new Map(entries.map(({ name }) => [name, new Array<number>()]))
    for (let at = 0; at < rounds; at++) {
      for (const entry of entries) {
        const took = yield* Effect.scoped(failOver(entry, at, at / rounds))
        process.stderr.write(`${entry.name}: ${round(took)} ms\n`)
        millis.get(entry.name)?.push(took)
      }
    }
    const figures = (all: ReadonlyArray<number>) => [median(all), Math.min(...all), Math.max(...all)]
    const rows = [...millis].map(([name, all]) => [name].concat(figures(all).map((value) => round(value))))
    return [table(["", "p50", "least", "most"], rows), Object.fromEntries(millis)] as const
  })

/** `phase`: how far into the time between two renewals the holder is killed, from 0 to 1. */
const failOver = (entry: Entry, turn: number, phase: number) =>
  Effect.gen(function*() {
    const holder = yield* startOne(entry, "seatWorker.ts")
    const next = yield* startOne(entry, "seatWorker.ts")
    const seat = `${entry.name}:${turn}`.replaceAll(" ", "-")
    yield* sitDown(entry, holder, seat)
    const sits = yield* Effect.forkChild(sitDown(entry, next, seat))
    yield* Effect.sleep(500 + phase * ttl * 1000 / 3)
    const killed = now()
    holder.kill("SIGKILL")
    const seated = yield* Fiber.join(sits)
    return (seated - killed) / 1e6
  })

const sitDown = (entry: Entry, child: ChildProcess, seat: string): Effect.Effect<number, CrewFailed> =>
  Effect.suspend(() => {
    child.removeAllListeners("exit").removeAllListeners("message")
    child.send(seat)
    return Effect.map(answer(entry.name, child, "30 seconds"), Schema.decodeUnknownSync(Schema.Finite))
  })
