import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { KvStore, LeaseStore } from "heddle/coordination"
import type { Client, Options, Report, Subject } from "../Chaos.ts"
import { Crew } from "./Crew.ts"
import { Dice } from "./Dice.ts"
import { endOfKeys, endOfLocks } from "./endings.ts"
import { KeyClient, type Keys } from "./KeyClient.ts"
import { Ledger, type Resource } from "./Ledger.ts"
import { torment } from "./nemesis.ts"
import { planOf } from "./Plan.ts"
import { Sections } from "./Sections.ts"
import { Watchers } from "./Watchers.ts"

/** The stores of one client, as built. */
export interface Stores {
  readonly leases: LeaseStore.LeaseStore["Service"] | undefined
  readonly keys: Keys | undefined
}

/** Runs the clients of a world through its faults, and judges what they saw. */
export const round = (
  subject: Subject,
  { duration = 6000, patience = 30_000, seed, tell = () => {} }: Options
): Effect.Effect<Report, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ledger = new Ledger(patience)
    const scope = yield* Scope.Scope
    const world = yield* Effect.orDie(subject.world)
    const prefix = `chaos-${seed}/`
    const locks: Arr.NonEmptyReadonlyArray<Resource> = [
      { name: `${prefix}first`, limit: 1 },
      { name: `${prefix}second`, limit: 1 }
    ]
    const resources = world.exclusive === true ? locks : Arr.append(locks, { name: `${prefix}several`, limit: 3 })
    const crews = world.workers.map((spec, n) => new Crew(`process ${n + 1}`, seed, spec, locks, ledger))
    const faults = [...world.faults, ...crews.flatMap((crew) => crew.faults(scope))]
    const plan = planOf(seed, duration, faults)
    tell(`seed ${seed} on ${subject.name}${plan.forgets ? ", whose servers forget" : ""}`)

    const direct = yield* build(world.direct, plan.forgets)
    const clients = yield* Effect.forEach(world.clients, (client) => build(client, plan.forgets))
    yield* Effect.forEach(crews, (crew) => crew.begin, { concurrency: "unbounded" })

    const keys = Arr.map(Arr.make("a", "b", "c", "d"), (key) => `${prefix}${key}`)
    const begun = direct.keys === undefined ? 0n : (yield* Effect.orDie(direct.keys.store.range(prefix))).revision
    const watchers = new Watchers(ledger, prefix, begun + 1n)
    let busy = true
    const actor = (name: string, act: (n: number) => Effect.Effect<void>): Effect.Effect<void> => {
      const pace = new Dice(seed, `${name}/pace`)
      const acts = Effect.suspend(() => {
        let n = 0
        return Effect.whileLoop({
          while: () => busy,
          body: () => Effect.andThen(act(n++), Effect.sleep(pace.between(0, 8))),
          step: () => {}
        })
      })
      return acts.pipe(
        Effect.catchCause((cause) => Effect.sync(() => void ledger.wrong.push(`${name}: ${Cause.pretty(cause)}`)))
      )
    }
    const acting: Array<Effect.Effect<void>> = []
    const watching: Array<Effect.Effect<unknown>> = []
    const lending: Array<Effect.Effect<never>> = []
    for (const [n, { keys: services, leases }] of clients.entries()) {
      for (const name of [`${n + 1}a`, `${n + 1}b`]) {
        if (services !== undefined) {
          const client = new KeyClient(name, seed, services, prefix, keys, ledger)
          acting.push(actor(name, client.act))
          lending.push(client.lend)
        }
        if (leases !== undefined) {
          acting.push(
            actor(`${name}, locks`, new Sections(name, seed, leases, resources, world.exclusive !== true, ledger).visit)
          )
        }
      }
      const key = keys[n % keys.length] ?? prefix
      if (services !== undefined) watching.push(watchers.watch(`${n + 1}`, seed, services, key))
    }
    const all = { concurrency: "unbounded", discard: true } as const
    const work = yield* Effect.forkScoped(Effect.all(acting, all))
    const watch = yield* Effect.forkScoped(Effect.all(watching, all))
    const drive = yield* Effect.forkScoped(Effect.all([...lending, ...crews.map((crew) => crew.drive)], all))

    yield* torment(plan, faults, ledger, tell)
    tell("  all is healed")
    busy = false
    yield* Fiber.interrupt(drive)
    const ended = yield* Effect.timeoutOption(Fiber.join(work), patience)
    if (ended._tag === "None") ledger.wrong.push("a client did not come to an end after all was healed")
    yield* Fiber.interrupt(work)
    yield* Effect.forEach(crews, (crew) => crew.finish, all)
    yield* endOfKeys(clients, direct, { seed, prefix, keys }, watchers, ledger)
    yield* Fiber.interrupt(watch)
    yield* endOfLocks(clients, direct, resources, ledger)
    const violations = ledger.judge(resources, plan.forgets)
    return { seed, violations, faults: ledger.faults, counts: ledger.counted }
  })

/** Keys are left alone where servers forget: no store promises anything of them then. */
const build = ({ keys, leases }: Client, forgets: boolean): Effect.Effect<Stores, never, Scope.Scope> =>
  Effect.orDie(Effect.gen(function*() {
    const services = keys === undefined || forgets ? undefined : yield* Layer.build(Layer.fresh(keys))
    return {
      leases: leases && Context.get(yield* Layer.build(Layer.fresh(leases)), LeaseStore.LeaseStore),
      keys: services && {
        store: Context.get(services, KvStore.KvStore),
        transact: Context.get(services, KvStore.KvTransactions).transact
      }
    }
  }))
