import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Options, Report, Subject } from "../Chaos.ts"
import { Crew } from "./Crew.ts"
import { Dice } from "./Dice.ts"
import { endOfKeys, endOfLocks } from "./endings.ts"
import { KeyClient } from "./KeyClient.ts"
import { Ledger } from "./Ledger.ts"
import { torment } from "./nemesis.ts"
import { planOf } from "./Plan.ts"
import { Sections } from "./Sections.ts"
import { type Stage, stageOf } from "./Stage.ts"
import { build, type Stores } from "./Stores.ts"
import { Watchers } from "./Watchers.ts"

const all = { concurrency: "unbounded", discard: true } as const

/** Runs the clients of a world through its faults, and judges what they saw. */
export const round = (
  subject: Subject,
  { duration = 6000, patience = 60_000, seed, tell = () => {} }: Options
): Effect.Effect<Report, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ledger = new Ledger(patience)
    const scope = yield* Scope.Scope
    const world = yield* Effect.orDie(subject.world)
    const stage = stageOf(seed, ledger, world.exclusive === true)
    const crews = world.workers.map((spec, n) => new Crew(`process ${n + 1}`, spec, stage))
    const faults = [...world.faults, ...crews.flatMap((crew) => crew.faults(scope))]
    const plan = planOf(seed, duration, faults)
    tell(`seed ${seed} on ${subject.name}${plan.forgets ? ", whose servers forget" : ""}`)

    const direct = yield* build(world.direct, plan.forgets)
    const clients = yield* Effect.forEach(world.clients, (client) => build(client, plan.forgets))
    yield* Effect.forEach(crews, (crew) => crew.begin, all)

    const { keys } = direct
    const begun = keys === undefined ? 0n : (yield* Effect.orDie(keys.store.range(stage.prefix))).revision
    const watchers = new Watchers(stage, begun + 1n)
    const cast = castOf(clients, watchers, stage)
    const work = yield* Effect.forkScoped(Effect.all(cast.working, all))
    const watch = yield* Effect.forkScoped(Effect.all(cast.watching, all))
    const drive = yield* Effect.forkScoped(Effect.all([...cast.lending, ...crews.map((crew) => crew.drive)], all))

    yield* torment(plan, faults, ledger, tell)
    tell("  all is healed")
    cast.stop()
    yield* Fiber.interrupt(drive)
    const ended = yield* Effect.timeoutOption(Fiber.join(work), patience)
    if (ended._tag === "None") ledger.wrong.push("a client did not come to an end after all was healed")
    yield* Fiber.interrupt(work)
    yield* Effect.forEach(crews, (crew) => crew.finish, all)
    yield* endOfKeys(clients, direct, watchers, stage)
    yield* Fiber.interrupt(watch)
    yield* endOfLocks(clients, direct, stage)
    const violations = ledger.judge(stage.resources, plan.forgets)
    return { seed, violations, faults: ledger.faults, counts: ledger.counted }
  })

/** All that the clients do: two of each kind share a client's stores. */
const castOf = (clients: ReadonlyArray<Stores>, watchers: Watchers, stage: Stage) => {
  const { keys, ledger, seed } = stage
  const working: Array<Effect.Effect<void>> = []
  const watching: Array<Effect.Effect<void>> = []
  const lending: Array<Effect.Effect<void>> = []
  let busy = true

  const observed = (name: string, effect: Effect.Effect<unknown>): Effect.Effect<void> =>
    Effect.asVoid(effect).pipe(
      Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), (cause) =>
        Effect.sync(() => void ledger.wrong.push(`${name}: ${Cause.pretty(cause)}`)))
    )

  /** One act after another until the round is over. */
  const work = (name: string, act: (n: number) => Effect.Effect<void>): void => {
    const pace = new Dice(seed, `${name}/pace`)
    let n = 0
    working.push(observed(
      name,
      Effect.whileLoop({
        while: () => busy,
        body: () => Effect.andThen(act(n++), Effect.sleep(pace.between(0, 8))),
        step: () => {}
      })
    ))
  }

  for (const [n, stores] of clients.entries()) {
    for (const name of [`${n + 1}a`, `${n + 1}b`]) {
      if (stores.keys !== undefined) {
        const client = new KeyClient(name, stores.keys, stage)
        work(name, client.act)
        lending.push(observed(`${name}, leases`, client.lend))
      }
      if (stores.leases !== undefined) work(`${name}, locks`, new Sections(name, stores.leases, stage).visit)
    }
    if (stores.keys === undefined) continue
    const key = keys[n % keys.length] ?? keys[0]
    watching.push(observed(`the watches of client ${n + 1}`, watchers.watch(`${n + 1}`, stores.keys, key)))
  }
  const stop = (): void => {
    busy = false
  }
  return { working, watching, lending, stop }
}
