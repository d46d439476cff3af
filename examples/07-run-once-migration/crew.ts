import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { layerOf } from "./backends.ts"
import { migrate } from "./worker.ts"

/** Workers that start at once: what they say, how one of them dies, and how one is told to end its work. */
export interface Crew {
  readonly said: Effect.Effect<{ readonly worker: number; readonly line: string }>
  readonly kill: (worker: number) => Effect.Effect<unknown>
  readonly go: (worker: number) => Effect.Effect<unknown>
}

const workers = [0, 1, 2]

/** The workers are fibers; one that dies is interrupted. */
export const fibers: Effect.Effect<Crew, Error, Scope.Scope> = Effect.gen(function*() {
  const said = yield* Queue.unbounded<{ readonly worker: number; readonly line: string }>()
  const store = yield* Layer.build(yield* Effect.promise(() => layerOf("memory", "")))
  const crew = yield* Effect.forEach(workers, (worker) => {
    const go = Deferred.makeUnsafe<void>()
    const run = migrate({ say: (line) => Queue.offer(said, { worker, line }), go: Deferred.await(go) })
    return Effect.map(Effect.forkScoped(Effect.provideContext(run, store)), (fiber) => ({ fiber, go }))
  })
  const of = <A>(worker: number, act: (one: (typeof crew)[number]) => Effect.Effect<A>) =>
    Effect.forEach(crew.slice(worker, worker + 1), act)
  return {
    said: Queue.take(said),
    kill: (worker) => of(worker, ({ fiber }) => Fiber.interrupt(fiber)),
    go: (worker) => of(worker, ({ go }) => Deferred.succeed(go, undefined))
  }
})

/** The workers are processes; one that dies is killed (SIGKILL). */
export const processes = (backend: string, url: string): Effect.Effect<Crew, never, Scope.Scope> =>
  Effect.gen(function*() {
    const said = yield* Queue.unbounded<{ readonly worker: number; readonly line: string }>()
    const module = fileURLToPath(new URL("worker.ts", import.meta.url))
    const start = (worker: number) => {
      const child = spawn(process.execPath, ["--conditions=@heddle/source", module, backend, url], {
        stdio: ["pipe", "pipe", "inherit"]
      })
      createInterface({ input: child.stdout }).on("line", (line) => Queue.offerUnsafe(said, { worker, line }))
      return { child, ended: once(child, "exit") }
    }
    const crew = workers.map(start)
    const kill = (worker: number) =>
      Effect.promise(async () => {
        crew[worker]?.child.kill("SIGKILL")
        await crew[worker]?.ended
      })
    yield* Effect.addFinalizer(() => Effect.forEach(workers, kill, { concurrency: "unbounded" }))
    const go = (worker: number) => Effect.sync(() => crew[worker]?.child.stdin.write("go\n"))
    return { said: Queue.take(said), kill, go }
  })
