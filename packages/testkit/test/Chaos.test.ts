import { assert, describe, it } from "@effect/vitest"
import { Chaos } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { KvStore, LeaseStore } from "heddle/coordination"
import { planOf } from "../src/chaos/Plan.ts"

type Kv = KvStore.KvStore["Service"]
type Leases = LeaseStore.LeaseStore["Service"]

const fault = (name: string, lane: Chaos.Fault["lane"], more: Partial<Chaos.Fault> = {}): Chaos.Fault => ({
  name,
  lane,
  strike: Effect.void,
  ...more
})

/** Two clients of one memory, whose services are what the test makes of the real ones for each of them. */
const subject = (
  kv: (store: Kv, client: number) => Kv,
  leases: (store: Leases, client: number) => Leases = (store) => store
): Chaos.Subject => ({
  name: "memory",
  world: Effect.gen(function*() {
    const memory = yield* Layer.build(Layer.fresh(Layer.merge(KvStore.layerMemory, LeaseStore.layerMemory)))
    const client = (n: number): Chaos.Client => ({
      keys: Layer.merge(
        Layer.succeed(KvStore.KvStore, kv(Context.get(memory, KvStore.KvStore), n)),
        Layer.succeed(KvStore.KvTransactions, Context.get(memory, KvStore.KvTransactions))
      ),
      leases: Layer.succeed(LeaseStore.LeaseStore, leases(Context.get(memory, LeaseStore.LeaseStore), n))
    })
    return { clients: [client(1), client(2)], direct: client(0), workers: [], faults: [fault("nothing", "network")] }
  })
})

const real = (store: Kv) => store

const round = (subject: Chaos.Subject) => Chaos.run(subject, { seed: 7, duration: 1500, patience: 2000 })

const finds = (title: string, says: RegExp, subject: Chaos.Subject) =>
  it.live(title, () => Effect.map(round(subject), ({ violations }) => assert.match(violations.join("\n"), says)), {
    timeout: 120_000
  })

describe("a round of chaos", () => {
  it.live("finds nothing in a store that is right, and tells what it did", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const report = yield* Chaos.run(subject(real), { seed: 7, duration: 1500, tell: (line) => told.push(line) })
      assert.deepStrictEqual(report.violations, [])
      assert.strictEqual(told[0], "seed 7 on memory")
      assert.include(report.faults, "nothing")
      assert.isAbove(report.counts["get"] ?? 0, 20)
      assert.isAbove(report.counts["section: done"] ?? 0, 5)
    }), { timeout: 120_000 })

  finds(
    "finds a compare-and-set that reads, and then writes",
    /no order of these operations explains/,
    subject((store) => ({
      ...store,
      compareAndSet: (key, expected, value, options) =>
        Effect.flatMap(store.get(key), (entry) => {
          const actual = Option.match(entry, { onNone: () => 0n, onSome: ({ revision }) => revision })
          return actual === expected
            ? Effect.delay(store.put(key, value, options), 2)
            : store.compareAndSet(key, expected, value, options)
        })
    }))
  )

  finds(
    "finds a client that reads what was a moment ago",
    /no order of these operations explains/,
    subject((store, client) => {
      const seen = new Map<string, ReturnType<Kv["get"]>>()
      const get: Kv["get"] = (key) =>
        Effect.flatMap(store.get(key), (entry) => {
          const before = seen.get(key) ?? Effect.succeed(entry)
          seen.set(key, Effect.succeed(entry))
          return before
        })
      return client === 1 ? { ...store, get } : store
    })
  )

  finds(
    "finds a watch that passes over a commit",
    /was told nothing of revision/,
    subject((store) => {
      let n = 0
      const watchPrefix: Kv["watchPrefix"] = (prefix, options) =>
        Stream.filter(store.watchPrefix(prefix, options), () => ++n % 40 !== 0)
      return { ...store, watchPrefix }
    })
  )

  finds(
    "finds a watch that begins anew with what comes",
    /was told nothing of revision|and not to the last/,
    subject((store) => ({ ...store, watchPrefix: (prefix) => store.watchPrefix(prefix) }))
  )

  finds(
    "finds a lock that does not keep out another client",
    /inside chaos-7\/(first|second) at once/,
    subject(real, (store, client) => ({
      ...store,
      claim: (request) =>
        store.claim({ ...request, resource: `${request.resource}-${client}` }).pipe(
          Effect.map((lease) => Object.create(lease, { resource: { value: request.resource } }))
        )
    }))
  )

  finds(
    "finds a lock whose tokens do not grow",
    /after token/,
    subject(real, (store) => ({
      ...store,
      claim: (request) => Effect.map(store.claim(request), (lease) => Object.create(lease, { token: { value: 1n } }))
    }))
  )

  finds(
    "finds one who waits for ever",
    /a client did not come to an end/,
    subject(real, (store) => ({
      ...store,
      claim: (request) => request.waitFor === Infinity ? Effect.never : store.claim(request)
    }))
  )

  finds(
    "finds what is left behind",
    /is free\n.*is left with/,
    subject(real, (store) => ({
      ...store,
      tryClaim: (request) =>
        Effect.as(
          Effect.uninterruptibleMask((restore) => store.tryAcquire({ ...request, ttl: "1 hour" }, restore)),
          Option.none()
        )
    }))
  )
})

describe("the plan of a round", () => {
  const faults = [
    fault("a", "servers"),
    fault("b", "servers"),
    fault("c", "network"),
    fault("d", "processes"),
    fault("e", "servers", { forgets: true })
  ]

  it("follows from its seed", () => {
    const plans = Array.from({ length: 40 }, (_, seed) => planOf(seed, 6000, faults))
    assert.deepStrictEqual(plans, Array.from({ length: 40 }, (_, seed) => planOf(seed, 6000, faults)))
    assert.strictEqual(new Set(plans.map(({ lanes }) => JSON.stringify(lanes))).size, 40)
    const forgetting = plans.filter(({ forgets }) => forgets)
    assert.isAbove(forgetting.length, 2)
    assert.isBelow(forgetting.length, 20)
    const struck = (all: typeof plans) =>
      new Set(all.flatMap(({ lanes }) => lanes.flat().map((strike) => strike.fault)))
    assert.deepStrictEqual([...struck(plans.filter(({ forgets }) => !forgets))].sort(), ["a", "b", "c", "d"])
    assert.isTrue(struck(forgetting).has("e"))
  })
})
