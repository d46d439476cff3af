/** Each scene on the sources without what they have for being observed, off, off once more, with a name for metrics, under `Contention`. */
import * as Effect from "effect/Effect"
import { answer, startOne } from "../harness/Crew.ts"
import { median, round, table } from "../harness/stats.ts"
import { type Scene, scenes } from "./scenes.ts"

// V8 compiles and collects in the program's own thread, so that each process comes to the same code at the same turn.
const flags = ["--single-threaded"]

const measure = (scene: Scene, processes: number) =>
  Effect.gen(function*() {
    const ways = ["without", "off", "named", "contention", "again"].filter((way) =>
      way === "named" ? scene.named : way === "contention" ? scene.waits : true
    )
    const module = new URL(import.meta.url)
    const run = (way: string) =>
      Effect.scoped(Effect.flatMap(
        startOne({ name: scene.title, module, url: `${scenes.indexOf(scene)} ${way}` }, "../observed/turns.ts", flags),
        (child) => Effect.map(answer(scene.title, child, "60 seconds"), Number)
      ))
    const took = new Map(ways.map((way): [string, Array<number>] => [way, []]))
    for (let turn = 0; turn < processes; turn++) {
      for (const way of turn % 2 === 0 ? ways : ways.toReversed()) took.get(way)?.push(yield* run(way))
    }
    const of = (way: string) => took.get(way) ?? []
    const without = of("without")
    const again = of("again")
    const off = of("off")
    const both = off.map((time, at) => (time + (again[at] ?? NaN)) / 2)
    const ratio = (times: ReadonlyArray<number>, others: ReadonlyArray<number>) =>
      median(times.map((time, at) => time / (others[at] ?? NaN))).toFixed(3)
    const more = (times: ReadonlyArray<number>) => round(median(times.map((time, at) => time - (without[at] ?? NaN))))
    const row = [
      scene.title,
      round(median(without)),
      ratio(both, without),
      ratio(again, off),
      more(scene.named ? of("named") : both),
      scene.waits ? more(of("contention")) : ""
    ]
    process.stderr.write(`${row.join(" | ")}\n`)
    return row
  })

export const paired = (asked: ReadonlyArray<Scene>, processes: number) =>
  Effect.map(
    Effect.forEach(asked, (scene) => measure(scene, processes)),
    (rows) =>
      [
        table(["", "without", "off: ratio", "off again: ratio", "metrics: more", "`Contention`: more"], rows),
        rows
      ] as const
  )
