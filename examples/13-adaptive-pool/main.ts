// Waves of thumbnails to make: the pool grows with each, shrinks after it, and closes while some still bring work.
//   node --conditions=@heddle/source examples/13-adaptive-pool/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { WorkerPool } from "heddle/flow"
import { fileURLToPath } from "node:url"

class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", { image: Schema.Int }) {}

/** Takes 50 to 250 ms; every tenth image cannot be read. */
const thumbnail = (image: number) =>
  Effect.andThen(
    Effect.sleep(50 + (image * 73) % 200),
    image % 10 === 0 ? Effect.fail(new Unreadable({ image })) : Effect.succeed(`thumbnail ${image}`)
  )

/** How each image of each wave ended, and what the pool says of it. */
export const scene = (tell: (line: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const pool = yield* WorkerPool.make({ size: { min: 5, max: 20 }, queue: 100, name: "thumbnails" })
    const sizes: Array<number> = []
    const watch = Stream.runForEach(pool.changes, (change) => {
      if (change._tag !== "Resized") return tell(`the pool: ${change._tag}`)
      sizes.push(change.to)
      return tell(`${change.from} → ${change.to} workers (${change.pending} wait)`)
    })
    const watcher = yield* Effect.forkChild(watch, { startImmediately: true })
    const bring = (images: number) =>
      Effect.forEach(
        Array.from({ length: images }, (_, index) => index + 1),
        (image) => Effect.exit(pool.submit(thumbnail(image))),
        { concurrency: "unbounded" }
      )
    const waves: Array<ReadonlyArray<Exit.Exit<string, unknown>>> = []
    for (const images of [50, 75, 100]) {
      waves.push(yield* bring(images))
      const { failed, highWater } = yield* pool.stats
      yield* tell(`a wave of ${images} is done: ${failed} failed so far, at most ${highWater} waited`)
      yield* Effect.sleep("4 seconds")
    }
    // One more wave, and a shutdown in the middle of it: everybody is answered.
    const last = yield* Effect.forkChild(bring(150), { startImmediately: true })
    const report = yield* pool.shutdown("500 millis")
    waves.push(yield* Fiber.join(last))
    yield* Fiber.join(watcher)
    return { waves, sizes, report, stats: yield* pool.stats }
  }).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { report, waves } = yield* scene(Console.log)
    const answered = waves.flat().length
    const done = waves.flat().filter(Exit.isSuccess).length
    yield* Console.log(
      `${answered} images, ${done} thumbnails; left by the shutdown: ${report.cut} cut, ${report.notRun} not run`
    )
  }))
}
