// A shop under load leaves out what it can do without, and has all of it back when the load has gone.
//   node --conditions=@heddle/source examples/23-degradation/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Bulkhead, LoadLevel, type Sensor } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/** The load that the scene plays: up in three steps, wavering, and down. */
const load = [30, 60, 75, 90, 97, 69, 70, 69, 70, 20, 20, 20, 20, 20]

const feature = <A>(needs: LoadLevel.Level, name: string, work: Effect.Effect<A>) =>
  LoadLevel.requires(needs)(Effect.as(work, name)).pipe(Effect.catchTag("Degraded", () => Effect.succeed("-")))

const page = Effect.all([
  feature("emergency", "checkout", Effect.void),
  feature("minimal", "search", Effect.void),
  feature("reduced", "reviews", Effect.void),
  feature("full", "recommendations", Effect.void)
])

/** What a page shows at each step of the load, and how many requests may run. */
export const scene = Effect.gen(function*() {
  let cpu = 0
  const sensor: Sensor.Sensor = { name: "cpu", at: [70, 85, 95], read: () => Effect.sync(() => cpu) }
  const steps = Effect.gen(function*() {
    const { level } = yield* LoadLevel.LoadLevel
    const requests = yield* Bulkhead.make({ name: "requests", running: 20 })
    yield* LoadLevel.follow((level) => requests.resize({ full: 20, reduced: 10, minimal: 5, emergency: 2 }[level]))
    return yield* Effect.forEach(load, (value) =>
      Effect.gen(function*() {
        cpu = value
        yield* Effect.sleep("200 millis")
        const step = { cpu, level: yield* level, page: yield* page, places: (yield* requests.occupancy).places }
        yield* Console.log(
          `cpu ${String(cpu).padStart(2)} %  ${step.level.padEnd(9)}  ${String(step.places).padStart(2)} at once  ${
            step.page.join("  ")
          }`
        )
        return step
      }))
  })
  const level = LoadLevel.layer({ name: "shop", sensors: [sensor], interval: "100 millis", dwell: "600 millis" })
  return yield* Effect.scoped(steps).pipe(Effect.provide(level))
})

if (process.argv[1] === fileURLToPath(import.meta.url)) NodeRuntime.runMain(scene)
