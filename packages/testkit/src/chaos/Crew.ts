import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Fault } from "../Chaos.ts"
import { until } from "../internal/until.ts"
import { type Spec, start, type WorkerProcess } from "../internal/WorkerProcess.ts"
import type { Event } from "../internal/workerProtocol.ts"
import { Dice } from "./Dice.ts"
import type { Stage } from "./Stage.ts"

const hour = 3_600_000

/** A process, from its start until it is killed or ends. */
interface Shift {
  readonly name: string
  readonly worker: WorkerProcess
  readonly scope: Scope.Closeable
  /** The sections it was told to run, and where. */
  readonly told: Map<string, string>
}

/** A place for a process that locks resources as its dice say; when it is killed, another takes its place. */
export class Crew {
  private readonly name: string
  private readonly spec: Spec
  private readonly stage: Stage
  private shift: Shift | undefined
  private shifts = 0
  constructor(name: string, spec: Spec, stage: Stage) {
    this.name = name
    this.spec = spec
    this.stage = stage
  }

  /** Starts a process; tried again for as long as it cannot reach its servers. */
  readonly begin: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function*() {
        const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
        const exit = yield* Effect.exit(restore(Scope.provide(start(this.spec), scope)))
        if (Exit.isSuccess(exit)) {
          this.shift = { name: `${this.name}.${++this.shifts}`, worker: exit.value, scope, told: new Map() }
          return
        }
        yield* Scope.close(scope, exit)
        yield* restore(Effect.sleep(200))
        yield* restore(this.begin)
      })
    )
  )

  /** Gives orders until it is interrupted. */
  readonly drive: Effect.Effect<never> = Effect.suspend(() => {
    let n = 0
    return Effect.forever(Effect.suspend(() => {
      const name = `${n++}`
      const dice = new Dice(this.stage.seed, `${this.name}/${name}`)
      const order = {
        name,
        resource: dice.pick(this.stage.locks).name,
        ttl: dice.pick([300, 600, 1200, 2500]),
        waitFor: dice.pick([0, 300, 2000, hour]),
        steps: dice.pick([1, 5, 20, 100])
      }
      const block = dice.chance(0.05) ? dice.between(200, 2000) : 0
      return Effect.delay(
        Effect.suspend(() => {
          const { shift } = this
          if (shift === undefined) return Effect.void
          shift.told.set(name, order.resource)
          const hold = shift.worker.tell({ _tag: "Hold", ...order })
          return block === 0 ? hold : Effect.andThen(hold, shift.worker.tell({ _tag: "Block", name, millis: block }))
        }),
        dice.between(20, 300)
      )
    }))
  })

  /** The ways to harm it. `scope` is where the processes that take its place live. */
  faults(scope: Scope.Scope): ReadonlyArray<Fault> {
    const signal = (signal: "SIGSTOP" | "SIGCONT") =>
      Effect.suspend(() => this.shift?.worker.signal(signal) ?? Effect.void)
    return [
      {
        name: `kill ${this.name}`,
        lane: "processes",
        strike: Effect.acquireRelease(this.kill, () => Scope.provide(this.begin, scope))
      },
      {
        name: `stop ${this.name}`,
        lane: "processes",
        strike: Effect.acquireRelease(signal("SIGSTOP"), () => signal("SIGCONT"))
      }
    ]
  }

  /** Waits until all that it was told to do has come to its end, and then until it has ended itself. */
  readonly finish: Effect.Effect<void> = Effect.suspend(() => {
    const { shift } = this
    if (shift === undefined) return Effect.void
    this.shift = undefined
    const left = Effect.map(shift.worker.events, (events) => {
      const ended = new Set(events.filter((event) => event._tag === "Ended").map((event) => event.name))
      return [...shift.told.keys()].filter((name) => !ended.has(name))
    })
    return Effect.gen({ self: this }, function*() {
      yield* until(Effect.map(left, (names) => names.length === 0), this.stage.ledger.patience)
      for (const name of yield* left) {
        this.stage.ledger.wrong.push(`section ${name} of process ${shift.name} did not end`)
      }
      yield* shift.worker.tell({ _tag: "Exit" })
      const code = yield* Effect.timeoutOption(shift.worker.ended, this.stage.ledger.patience)
      if (code._tag === "None") this.stage.ledger.wrong.push(`process ${shift.name} did not end`)
      else if (code.value !== 0) this.stage.ledger.wrong.push(`process ${shift.name} ended with ${code.value}`)
      yield* this.collect(shift)
      yield* Scope.close(shift.scope, Exit.void)
    })
  })

  private readonly kill: Effect.Effect<void> = Effect.suspend(() => {
    const { shift } = this
    if (shift === undefined) return Effect.void
    this.shift = undefined
    return shift.worker.signal("SIGKILL").pipe(
      Effect.andThen(shift.worker.ended),
      Effect.andThen(this.collect(shift)),
      Effect.andThen(Scope.close(shift.scope, Exit.void))
    )
  })

  private collect({ name: process, told, worker }: Shift): Effect.Effect<void> {
    return Effect.map(worker.events, (events) => {
      const stays = new Map<string, Stay>()
      for (const event of events) {
        if (event._tag === "Entered") stays.set(event.name, { ...event, entered: event.at, left: event.at })
        if (event._tag !== "Ended") continue
        this.stage.ledger.count(`section of a process: ${event.how}`)
        if (!expected.has(event.how)) this.stage.ledger.wrong.push(`section ${event.name} of ${process}: ${event.how}`)
        if (event.entered > 0n) stays.set(event.name, event)
      }
      for (const { entered, left, name, token } of stays.values()) {
        const common = { process, actor: name, key: told.get(name) ?? "" }
        this.stage.ledger.stays.push(
          { ...common, kind: "enter", at: entered, token },
          { ...common, kind: "leave", at: left }
        )
      }
    })
  }
}

/** A killed process has not told when it left: it counts as inside for the instant at which it entered. */
type Stay = Pick<Extract<Event, { _tag: "Ended" }>, "name" | "token" | "entered" | "left">

const expected = new Set(["done", "LeaseTimeout", "LeaseLost", "StoreUnavailable"])
