/** A work queue in a benchmark: jobs that do nothing, fifty at once. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { type JobStore, WorkQueue } from "heddle/messaging"
import type { Load, Open } from "../harness/Load.ts"

/** When a job was enqueued, by the clock that all processes share: all that it carries. */
export const Payload = Schema.Struct({ at: Schema.Number })
export type Payload = typeof Payload.Type

export interface Queue {
  /** Enqueues them as one, or in a few requests, as the library has it. */
  readonly many: (payloads: ReadonlyArray<Payload>) => Promise<unknown>
  readonly one: (payload: Payload) => Promise<unknown>
}

/** Connects. With `done` the process works as well: fifty jobs at once, each told when it begins. */
export type Connect = (url: string, done: ((payload: Payload) => void) | undefined) => Promise<Queue>

/** How many jobs a worker does at once, and how many callers enqueue one job each at once. */
export const concurrency = 50
export const callers = 1000
/** What those who can do so claim beyond what they work on. */
export const prefetch = 450
const most = 10_000

/** A contender of rates: it enqueues and works, in one process; `?single` behind its file enqueues one by one. */
export const opening = (connect: Connect, module: string): Open => async (url) => {
  let left = 0
  let end = (): void => {}
  const queue = await connect(url, () => {
    if (--left === 0) end()
  })
  const single = new URL(module).searchParams.has("single")
  return {
    run: (count) => {
      left = count
      const done = new Promise<void>((resolve) => void (end = resolve))
      return Promise.all([single ? oneByOne(queue, count) : bulk(queue, count), done])
    }
  } satisfies Load
}

const bulk = async (queue: Queue, count: number): Promise<void> => {
  for (let sent = 0; sent < count; sent += most) {
    await queue.many(Array.from({ length: Math.min(most, count - sent) }, (_, at) => ({ at })))
  }
}

const oneByOne = async (queue: Queue, count: number): Promise<void> => {
  let sent = 0
  const caller = async () => {
    while (sent < count) await queue.one({ at: sent++ })
  }
  await Promise.all(Array.from({ length: Math.min(callers, count) }, caller))
}

/** Heddle's `WorkQueue` on a store. */
export const heddle = <E>(layer: (url: string) => Layer.Layer<JobStore.JobStore, E>): Connect => async (url, done) => {
  const queue = WorkQueue.make({ name: "bench", payload: Payload })
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Layer.buildWithScope(layer(url), scope))
  const run = Effect.runPromiseWith(context)
  if (done !== undefined) {
    const working = queue.process((payload) => Effect.sync(() => done(payload)), { concurrency, prefetch })
    await Effect.runPromiseWith(Context.add(context, Scope.Scope, scope))(working)
  }
  return { many: (payloads) => run(queue.enqueueAll(payloads)), one: (payload) => run(queue.enqueue(payload)) }
}
