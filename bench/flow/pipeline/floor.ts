/**
 * The least that Effect's runtime allows: a fiber a worker, arrays between the stages, who waits is woken once; a ring keeps the
 * order. No failure, no stopping, no counts.
 */
import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { check, items, step, workers } from "./work.ts"

/** Those who wait until it is woken for them. */
class Bell {
  private waiting: Array<() => void> = []
  readonly wait = Effect.withFiber<void>((fiber) =>
    Effect.callback((resume) => {
      this.waiting.push(() => fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0))
    })
  )
  ring(): void {
    const woken = this.waiting
    this.waiting = []
    for (const wake of woken) wake()
  }
}

/** A buffer of one stage, in the order of input: a place is given when an item is taken before it, and filled when it is done. */
class Buffer {
  private readonly slots: Array<number | undefined> = []
  private head = 0
  readonly bell = new Bell()
  readonly room = new Bell()
  ended = false
  get size(): number {
    return this.slots.length - this.head
  }
  get idle(): boolean {
    return this.slots[this.head] === undefined
  }
  reserve(): number {
    return this.slots.push(undefined) - 1
  }
  fill(at: number, n: number): void {
    this.slots[at] = n
    if (at === this.head) this.bell.ring()
  }
  take(): number | undefined {
    const n = this.slots[this.head]
    if (n === undefined) return undefined
    this.slots[this.head++] = undefined
    if (this.size === workers / 2) this.room.ring()
    return n
  }
}

const worker = (from: Buffer, into: Buffer): Effect.Effect<void> => {
  let at = 0
  const work = (): Effect.Effect<number | void> => {
    if (from.idle) return from.bell.wait
    if (into.size >= 2 * workers) return into.room.wait
    const n = from.take() ?? 0
    at = into.reserve()
    return step(n)
  }
  return Effect.suspend(() =>
    Effect.whileLoop({
      while: () => !(from.ended && from.size === 0),
      body: work,
      step: (n) => {
        if (typeof n === "number") into.fill(at, n)
      }
    })
  )
}

const stage = (from: Buffer, into: Buffer): Effect.Effect<unknown> =>
  Effect.all(Array.from({ length: workers }, () => worker(from, into)), { concurrency: "unbounded", discard: true })
    .pipe(
      Effect.andThen(Effect.sync(() => {
        into.ended = true
        into.bell.ring()
      }))
    )

const run = (count: number) =>
  Effect.suspend(() => {
    const [first, second, last] = [new Buffer(), new Buffer(), new Buffer()]
    const all = items(count)
    let next = 0
    let sum = 0
    const source = Effect.whileLoop({
      while: () => !first.ended,
      body: () => {
        while (first.size < workers && next < count) first.fill(first.reserve(), all[next++] ?? 0)
        if (next < count) return first.room.wait
        first.ended = true
        first.bell.ring()
        return Effect.void
      },
      step: () => {}
    })
    const sink = Effect.whileLoop({
      while: () => !(last.ended && last.size === 0),
      body: () => {
        for (let n = last.take(); n !== undefined; n = last.take()) sum += n
        return last.ended && last.size === 0 ? Effect.void : last.bell.wait
      },
      step: () => {}
    })
    const parts = [source, stage(first, second), stage(second, last), sink]
    return Effect.map(Effect.all(parts, { concurrency: "unbounded", discard: true }), () => check(sum, count, 2))
  })

export const open: Open = () => Promise.resolve({ run: (count) => Effect.runPromise(run(count)) })
