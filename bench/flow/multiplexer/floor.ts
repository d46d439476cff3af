/**
 * The least that Effect's runtime allows for a merge by priority: an array and a fiber a source, and a stream that takes one element
 * at a time. No counts, no failure, no end that stops others.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Open } from "../../harness/Load.ts"
import { source, streams } from "./work.ts"

const capacity = 16

interface Lane {
  readonly elements: Array<number>
  wake: () => void
}

const wait = (waits: (wake: () => void) => void): Effect.Effect<void> =>
  Effect.withFiber((fiber) =>
    Effect.callback((resume) => waits(() => fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)))
  )

const asleep = () => {}

const merged = (stream: Stream.Stream<number>): Stream.Stream<number> =>
  Stream.unwrap(Effect.gen(function*() {
    const lanes = Array.from({ length: 3 }, (): Lane => ({ elements: [], wake: asleep }))
    let running = lanes.length
    let wakeConsumer = asleep
    const ring = () => {
      const wake = wakeConsumer
      wakeConsumer = asleep
      wake()
    }
    const pour = (lane: Lane, values: ReadonlyArray<number>, from: number): Effect.Effect<void> => {
      let at = from
      for (; at < values.length && lane.elements.length < capacity; at++) lane.elements.push(values[at] ?? 0)
      ring()
      if (at === values.length) return Effect.void
      return Effect.andThen(wait((wake) => lane.wake = wake), Effect.suspend(() => pour(lane, values, at)))
    }
    for (const lane of lanes) {
      const pump = Stream.runForEachArray(stream, (values) => pour(lane, values, 0))
      yield* Effect.forkScoped(Effect.andThen(
        pump,
        Effect.sync(() => {
          running--
          ring()
        })
      ))
    }
    const pull: Pull.Pull<NonEmptyReadonlyArray<number>> = Effect.suspend(() => {
      const lane = lanes.find(({ elements }) => elements.length > 0)
      const next = lane?.elements.shift()
      if (lane === undefined || next === undefined) {
        if (running === 0) return Cause.done()
        return Effect.andThen(wait((wake) => wakeConsumer = wake), pull)
      }
      if (lane.elements.length === capacity / 2) {
        lane.wake()
        lane.wake = asleep
      }
      return Effect.succeed([next] as const)
    })
    return Stream.fromPull(Effect.succeed(pull))
  }))

export const open: Open = () => Promise.resolve(streams((count) => merged(source(count))))
