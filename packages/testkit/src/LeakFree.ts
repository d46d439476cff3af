/**
 * Fails a test that leaves fibers, timers, or open handles behind.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { FiberLeaks } from "heddle/observability"
import { AsyncLocalStorage, createHook } from "node:async_hooks"

/**
 * Something outlived the effect that made it: a fiber, a timer, a server, a socket, a child process, a watcher, a worker.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeftBehind extends Data.TaggedError("LeftBehind")<{
  /** Each with its kind and where it was made. */
  readonly left: ReadonlyArray<string>
}> {
  override get message(): string {
    return [`${this.left.length} left behind:`, ...this.left].join("\n")
  }
}

/** What keeps a process busy, by the names that Node gives it. */
const kinds =
  /^(?:Timeout|TCP(?:SERVER)?WRAP|PIPE(?:SERVER)?WRAP|UDPWRAP|PROCESSWRAP|FSEVENTWRAP|STATWATCHER|WORKER|MESSAGEPORT|HTTP2SESSION)$/

/**
 * Turns of the event loop in which what was begun comes into being, and what was closed is reported as gone. `FiberLeaks.check` has waited
 * for two before them.
 */
const turns = 10

/** Those of one test: a resource is made for a test if it is made by something that the test began. */
class Made {
  readonly open = new Map<number, string>()
}

const current = new AsyncLocalStorage<Made>()
const owners = new Map<number, Made>()

const hook = createHook({
  init: (id, type) => {
    const made = current.getStore()
    if (made === undefined || !kinds.test(type)) return
    made.open.set(id, `${type} ${placeOf(new Error().stack)}`)
    owners.set(id, made)
  },
  destroy: (id) => {
    owners.get(id)?.open.delete(id)
    owners.delete(id)
  }
})

const inside = /node:|LeakFree\.[jt]s|node_modules\/effect\//

/** Where in the program it was made; in Effect, where a fiber made it that the program let sleep. */
const placeOf = (stack = ""): string => {
  const lines = stack.split("\n").slice(1)
  const outside = lines.filter((line) => !inside.test(line))
  return (outside.length > 0 ? outside : lines).slice(0, 4).map((line) => line.trim()).join(" ")
}

/**
 * Runs an effect, and fails with `LeftBehind` if it succeeds and leaves anything: a fiber that it started, a timer, an open handle.
 * Each is named with the place where it was made. It looks twelve turns of the event loop after the effect has ended. Only what the effect itself began counts, whatever else the process does meanwhile.
 *
 * **Interruption**
 *
 * Interrupts the effect; nothing is checked.
 *
 * **Example** (An interval that nobody clears)
 *
 * ```ts
 * import { LeakFree } from "@heddle/testkit"
 * import { Effect } from "effect"
 *
 * const forgetful = Effect.sync(() => setInterval(() => {}, 60_000).unref())
 * const told = LeakFree.leakFree(forgetful).pipe(
 *   Effect.catchTag("LeftBehind", ({ left }) => Effect.succeed(left.length))
 * )
 *
 * await Effect.runPromise(told) // => 1
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const leakFree = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeftBehind, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const made = new Made()
    const watched = Effect.callback<A, E | FiberLeaks.FibersLeft>((resume) => {
      hook.enable()
      const fiber = current.run(made, () => Effect.runForkWith(context)(FiberLeaks.check(effect)))
      fiber.addObserver((exit) => resume(exit))
      return Effect.callback<void>((resume) => {
        fiber.addObserver(() => resume(Effect.void))
        fiber.interruptUnsafe()
      })
    })
    const fibersLeft = ({ fibers }: FiberLeaks.FibersLeft) =>
      Effect.fail(new LeftBehind({ left: [...fibers.map((fiber) => `fiber ${fiber}`), ...made.open.values()] }))
    return Effect.flatMap(
      Effect.catchIf(watched, (error) => error instanceof FiberLeaks.FibersLeft, fibersLeft),
      (value) => Effect.andThen(settled, look(made, value))
    )
  })

const look = <A>(made: Made, value: A): Effect.Effect<A, LeftBehind> =>
  Effect.suspend(() =>
    made.open.size === 0 ? Effect.succeed(value) : Effect.fail(new LeftBehind({ left: [...made.open.values()] }))
  )

const settled: Effect.Effect<void> = Effect.promise(async () => {
  for (let turn = 0; turn < turns; turn++) await new Promise((resume) => setImmediate(resume))
})
