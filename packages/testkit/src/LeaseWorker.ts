/**
 * A small program for a child process that claims leases as it is told: laws about several processes are made of it.
 *
 * A backend's test has a module of a few lines that calls `main` with its layer, and names it in the ability `worker`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { LeaderElection, LeaseAbility, LeaseStore, Membership } from "heddle/coordination"
import { createInterface } from "node:readline"
import { Command, Event, monotonic } from "./internal/workerProtocol.ts"

/**
 * Takes orders from stdin and tells on stdout what happens, until stdin ends.
 *
 * **Details**
 *
 * A section takes a step each millisecond. The process ends by itself: a handle that the layer leaves open keeps it alive.
 *
 * @category running
 * @since 0.1.0
 */
export const main = <E>(layer: Layer.Layer<LeaseStore.LeaseStore, E>): Promise<void> =>
  Effect.runPromise(program.pipe(Effect.provide(layer), Effect.scoped))

const tell = (event: Event): void => {
  process.stdout.write(`${Schema.encodeSync(Event)(event)}\n`)
}

const orders = Effect.acquireRelease(
  Effect.gen(function*() {
    const queue = yield* Queue.unbounded<Exclude<Command, { readonly _tag: "Stop" }>>()
    const lines = createInterface({ input: process.stdin })
    lines.on("line", (line) => {
      const order = Schema.decodeSync(Command)(line)
      if (order._tag !== "Stop") return void Queue.offerUnsafe(queue, order)
      tell({ _tag: "Stopping" })
      process.kill(process.pid, "SIGSTOP")
    })
    lines.on("close", () => Queue.offerUnsafe(queue, { _tag: "Exit" }))
    return { next: Queue.take(queue), close: () => process.stdin.destroy() }
  }),
  ({ close }) => Effect.sync(close)
)

interface Section {
  readonly fiber: Fiber.Fiber<void>
  readonly state: State
}

/** What a running section looks at before each step. */
interface State {
  steps: number
  block: number
}

const program = Effect.gen(function*() {
  const { next } = yield* orders
  const sections = new Map<string, Section>()
  yield* LeaseStore.LeaseStore
  tell({ _tag: "Ready" })
  for (let order = yield* next; order._tag !== "Exit"; order = yield* next) {
    switch (order._tag) {
      case "Hold": {
        const state: State = { steps: order.steps ?? Infinity, block: 0 }
        sections.set(order.name, { state, fiber: yield* Effect.forkChild(hold(order, state)) })
        break
      }
      case "Lead":
      case "Join": {
        const state: State = { steps: Infinity, block: 0 }
        const fiber = yield* Effect.forkChild(order._tag === "Lead" ? lead(order, state) : join(order, state))
        sections.set(order.name, { state, fiber })
        break
      }
      case "Leave":
      case "Block": {
        const section = sections.get(order.name)
        if (section === undefined) return yield* Effect.die(new Error(`no section ${order.name}`))
        if (order._tag === "Leave") section.state.steps = 0
        else section.state.block = order.millis
      }
    }
  }
  yield* Fiber.interruptAll([...sections.values()].map((section) => section.fiber))
})

/** A section that notes when it was entered and when it took its last step, and tells how it ended. */
const sectionOf = (name: string, state: State) => {
  const seen = { token: 0n, entered: 0n, left: 0n }
  const step = Effect.sync(() => {
    seen.left = monotonic()
    const end = performance.now() + state.block
    state.block = 0
    while (performance.now() < end);
    return state.steps-- <= 0
  })
  const run = (token: bigint) =>
    Effect.gen(function*() {
      seen.token = token
      seen.entered = seen.left = monotonic()
      tell({ _tag: "Entered", name, token, at: seen.entered })
      while (!(yield* step)) yield* Effect.sleep(1)
    })
  const telling = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.onExit(effect, (exit) => Effect.sync(() => tell({ _tag: "Ended", name, how: describe(exit), ...seen })))
  return { run, telling }
}

const hold = (order: Extract<Command, { _tag: "Hold" }>, state: State) => {
  const { run, telling } = sectionOf(order.name, state)
  return Effect.ignore(telling(LeaseStore.withLease(order, ({ token }) => run(token))))
}

const lead = ({ election, name, ttl }: Extract<Command, { _tag: "Lead" }>, state: State) =>
  LeaderElection.runAsLeader(election, { owner: name, ttl })(({ term }) => {
    const { run, telling } = sectionOf(name, state)
    return telling(run(term))
  }).pipe(Effect.provide(LeaseAbility.layerAll), Effect.ignore)

const join = ({ group, name, ttl }: Extract<Command, { _tag: "Join" }>, state: State) => {
  const { run, telling } = sectionOf(name, state)
  const joined = Membership.make({ group, value: Schema.String }).join(name, { ttl })
  return telling(Effect.flatMap(joined, (mine) => mine.run(run(0n)))).pipe(
    Effect.scoped,
    Effect.provide(LeaseAbility.layerAll),
    Effect.ignore
  )
}

const describe = <A>(exit: Exit.Exit<A, { readonly _tag: string }>): string => {
  if (Exit.isSuccess(exit)) return "done"
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return error?._tag ?? (Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : Cause.pretty(exit.cause))
}
