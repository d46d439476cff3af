import { assert, describe, it } from "@effect/vitest"
import { leaderElectionLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { LeaderElection, Lease, LeaseAbility, LeaseStore } from "heddle/coordination"
import { memorySteps } from "../src/coordination/internal/leaseMemory.ts"
import * as SharedMemory from "./SharedMemory.ts"

const { cut, forget, layer, watchers } = await Effect.runPromise(Scope.provide(SharedMemory.make, Scope.makeUnsafe()))

leaderElectionLaws("memory", Layer.merge(layer, LeaseAbility.layerAll), { cut, forget, watchers })

/** What a store tells from one look to the next: the term of who leads, 0 for nobody. */
const tale = (...terms: ReadonlyArray<number>) =>
  Stream.fromIterable(terms.map((term): Lease.Inspection => ({
    limit: 1,
    holders: term === 0 ? [] : [{ id: `${term}`, owner: "", value: "", permits: 1, token: BigInt(term), age: 0 }],
    waiters: []
  })))

const gone = Stream.fail(new Lease.StoreUnavailable({ backend: "memory", message: "cut off" }))

/** A store that tells one tale after another, each time that somebody follows it anew. */
const telling = (...tales: ReadonlyArray<Stream.Stream<Lease.Inspection, Lease.StoreUnavailable>>) => {
  let told = 0
  const changes = () => Stream.suspend(() => tales[told++] ?? Stream.never)
  const steps = (session: string) => Effect.map(memorySteps(session), (steps) => ({ ...steps, changes }))
  const store = LeaseStore.make({ backend: "memory", owner: "", timeout: Infinity, steps })
  return Layer.merge(Layer.effect(LeaseStore.LeaseStore, store), LeaseAbility.layerAll)
}

describe("who observes an election", () => {
  it.effect("is told no older term after a newer, nothing twice, and goes on when the store is back", () =>
    Effect.gen(function*() {
      const heard: Array<bigint> = []
      const leases = telling(
        Stream.concat(tale(0, 5, 5, 7, 5, 7), gone),
        gone,
        Stream.concat(tale(6, 7, 0, 0), gone),
        tale(8)
      )
      yield* Stream.runForEach(
        LeaderElection.observe("e"),
        (now) => Effect.sync(() => heard.push(Option.match(now, { onNone: () => 0n, onSome: ({ term }) => term })))
      ).pipe(
        Effect.provide(leases),
        Effect.forkChild
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(heard, [0n, 5n, 7n, 0n, 8n])
    }))

  it.effect("is told when the store cannot be reached at the start", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.flip(Stream.runDrain(LeaderElection.observe("e"))).pipe(
        Effect.provide(telling(gone, tale(1)))
      )
      assert.deepInclude(failed, { _tag: "StoreUnavailable" })
    }))
})

describe("who leads while the store is away", () => {
  it.effect("loses its term, and campaigns until the store is back", () =>
    Effect.gen(function*() {
      const { cut, layer } = yield* SharedMemory.make
      const terms: Array<bigint> = []
      const away = yield* Scope.make()
      const work = LeaderElection.runAsLeader("e")(({ term }) =>
        Effect.andThen(Effect.sync(() => terms.push(term)), terms.length === 0 ? Effect.never : Effect.void)
      )
      const leader = yield* Effect.forkChild(Effect.provide(work, Layer.merge(layer, LeaseAbility.layerAll)))
      yield* TestClock.adjust("1 second")
      yield* Scope.provide(cut, away)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(terms.length, 1)
      yield* Scope.close(away, Exit.void)
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(leader)
      assert.strictEqual(terms.length, 2)
    }).pipe(Effect.provide(Logger.layer([]))))

  it.live("has ended, if its effect ended by itself in a step that outlasted the term", () =>
    Effect.gen(function*() {
      let runs = 0
      const step = Effect.sync(() => {
        const end = performance.now() + 100
        while (performance.now() < end);
        return ++runs
      })
      const work = LeaderElection.runAsLeader("e", { ttl: 50 })(step)
      assert.strictEqual(yield* Effect.provide(work, LeaseStore.layerMemory), 1)
      assert.strictEqual(runs, 1)
    }))
})

describe("an election is counted and traced", () => {
  const counts = Effect.map(Metric.snapshot, (all) => {
    const value = (id: string) =>
      all.reduce(
        (sum, one) =>
          one.id !== id
            ? sum
            : one.type === "Counter"
            ? Number(one.state.count)
            : one.type === "Gauge"
            ? Number(one.state.value)
            : sum,
        0
      )
    return { terms: value("heddle_election_terms_total"), leading: value("heddle_election_leading") }
  })

  it.effect("by the terms that were won and those that last, also where one was lost", () =>
    Effect.gen(function*() {
      const { forget, layer } = yield* SharedMemory.make
      yield* Effect.gen(function*() {
        const first = yield* LeaderElection.campaign("e")
        assert.deepStrictEqual(yield* counts, { terms: 1, leading: 1 })
        yield* first.resign
        yield* first.resign
        assert.deepStrictEqual(yield* counts, { terms: 1, leading: 0 })
        const second = yield* LeaderElection.campaign("e")
        const work = yield* Effect.forkChild(Effect.flip(second.run(Effect.never)))
        assert.deepStrictEqual(yield* counts, { terms: 2, leading: 1 })
        yield* forget("election/e")
        yield* TestClock.adjust("10 seconds")
        assert.deepInclude(yield* Fiber.join(work), { _tag: "LeaseLost", reason: "revoked" })
        assert.deepStrictEqual(yield* counts, { terms: 2, leading: 0 })
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(layer, LeaseAbility.layerAll)))
      assert.deepStrictEqual(yield* counts, { terms: 2, leading: 0 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("by a span for each campaign, where somebody traces", () =>
    Effect.gen(function*() {
      const spans = Array<Tracer.Span>()
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* LeaderElection.runAsLeader("e")(Effect.void).pipe(
        Effect.withTracer(tracer),
        Effect.provide(LeaseStore.layerMemory)
      )
      assert.deepStrictEqual(spans.map((span) => span.name), ["LeaderElection.campaign"])
      assert.deepStrictEqual(Object.fromEntries(spans[0]?.attributes ?? []), {
        "heddle.backend": "memory",
        "heddle.election": "e"
      })
    }))
})
