/** A pool of 2 to 20 workers under a load that can be set. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { WorkerPool } from "heddle/flow"

export interface View {
  readonly size: number
  readonly active: number
  readonly queued: number
  readonly refused: number
  readonly past: ReadonlyArray<number>
}

const shown = 60

export const start = (tell: (view: View) => void) => {
  let perSecond = 5
  const past: Array<number> = []
  const program = Effect.scoped(Effect.gen(function*() {
    const pool = yield* WorkerPool.make({
      size: { min: 2, max: 20, interval: "250 millis", cooldown: "500 millis" },
      queue: 200,
      whenFull: "reject",
      drainFor: 0
    })
    const bring = Effect.forkChild(Effect.ignore(pool.submit(Effect.sleep(250))))
    const source = Effect.forever(Effect.suspend(() => Effect.andThen(bring, Effect.sleep(1000 / perSecond))))
    const sample = Effect.gen(function*() {
      const { active, queued, refused, size } = yield* pool.stats
      past.push(size)
      if (past.length > shown) past.shift()
      tell({ active, queued, refused, size, past: [...past] })
      yield* Effect.sleep(200)
    })
    yield* Effect.all([source, Effect.forever(sample)], { concurrency: "unbounded" })
  }))
  const running = Effect.runFork(program)
  return {
    load: (rate: number) => {
      perSecond = Math.max(1, rate)
    },
    stop: () => Effect.runFork(Fiber.interrupt(running))
  }
}
