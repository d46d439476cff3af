/**
 * Each scene on copies of the sources that take turns in one process: without what Heddle has for being observed, off, and off once more;
 * then off, with a name for metrics, and under `Contention`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answer, startOne } from "../harness/Crew.ts"
import { median, percentile, round, table } from "../harness/stats.ts"
import { type Scene, scenes } from "./scenes.ts"

// V8 compiles and collects in the program's own thread, so that each process comes to the same code at the same turn.
const flags = ["--single-threaded"]

/** How many turns each copy has in a process. */
const turns = 200

const Times = Schema.Array(Schema.Array(Schema.Number))

/** The nanoseconds of each turn, by its copy. The first copy that a process loads is slower than the same once more: it is not looked at. */
const processOf = (scene: Scene, ways: ReadonlyArray<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const url = `${scenes.indexOf(scene)} ${turns} spare ${ways.join(" ")}`
    const entry = { name: scene.title, module: new URL(import.meta.url), url }
    const child = yield* startOne(entry, "../observed/turns.ts", flags)
    const [, ...times] = Schema.decodeUnknownSync(Times)(yield* answer(scene.title, child, "60 seconds"))
    return new Map(ways.map((way, at) => [way, times[at] ?? []]))
  }))

/** So many processes, in each of which another copy comes first; of each what a copy has to another, as the median of their turns side by side. */
const run = (scene: Scene, ways: ReadonlyArray<string>, processes: number) =>
  Effect.map(
    Effect.forEach(
      Array.from({ length: processes }, (_, at) => at % ways.length),
      (first) => processOf(scene, [...ways.slice(first), ...ways.slice(0, first)])
    ),
    (all) => ({
      times: (way: string) => all.map((times) => median(times.get(way) ?? [])),
      beside: (way: string, other: string, of: (time: number, other: number) => number) =>
        all.map((times) => median((times.get(way) ?? []).map((time, at) => of(time, times.get(other)?.[at] ?? NaN))))
    })
  )

const ratio = (time: number, other: number) => time / other
const more = (time: number, other: number) => time - other

const measure = (scene: Scene, processes: number) =>
  Effect.gen(function*() {
    const plain = yield* run(scene, ["without", "off", "again"], processes)
    const ratios = ["off", "again"].flatMap((way) => plain.beside(way, "without", ratio))
    const noise = plain.beside("again", "off", ratio)
    const ways = ["off", ...scene.named ? ["named"] : [], ...scene.waits ? ["contention"] : []]
    const on = ways.length > 1 ? yield* run(scene, ways, Math.ceil(processes / 3)) : undefined
    const added = (way: string) => on === undefined ? "" : round(median(on.beside(way, "off", more)))
    const spread = (values: ReadonlyArray<number>) =>
      [0.25, 0.5, 0.75].map((share) => percentile(values, share).toFixed(3)).join(" · ")
    const row = [
      scene.title,
      round(median(plain.times("without"))),
      spread(ratios),
      spread(noise),
      round(median(["off", "again"].flatMap((way) => plain.beside(way, "without", more)))),
      scene.named ? added("named") : "",
      scene.waits ? added("contention") : ""
    ]
    process.stderr.write(`${row.join(" | ")}\n`)
    return row
  })

export const paired = (asked: ReadonlyArray<Scene>, processes: number) =>
  Effect.map(
    Effect.forEach(asked, (scene) => measure(scene, processes)),
    (rows) =>
      [
        table(
          [
            "",
            "without, ns",
            "off / without",
            "off again / off",
            "off: more, ns",
            "metrics: more",
            "`Contention`: more"
          ],
          rows
        ),
        rows
      ] as const
  )
