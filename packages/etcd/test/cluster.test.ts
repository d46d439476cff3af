import { assert, describe, it } from "@effect/vitest"
import { EtcdNetwork } from "@heddle/testkit"
import { allAbilities, kvStoreLaws, leaseStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KvStore, LeaseStore } from "heddle/coordination"
import { afterAll, beforeEach } from "vitest"
import { Etcd, EtcdKvStore, EtcdLeaseStore } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))

const { cut, members: servers } = await inScope(EtcdNetwork.make(3))
const members = await inScope(Effect.forEach(servers, (server) =>
  Effect.gen(function*() {
    const { status } = Context.get(yield* Layer.build(Etcd.layer({ url: server.url })), Etcd.Etcd)
    const { member: id } = yield* status
    return { server, id, leader: Effect.map(status, ({ leader }) => leader) }
  })))
type Member = (typeof members)[number]

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "50 seconds")
const eventually = <E>(check: Effect.Effect<boolean, E>) =>
  inTime(Effect.repeat(Effect.orElseSucceed(check, () => false), {
    until: (yes) => yes,
    schedule: Schedule.spaced("10 millis")
  }))

/** Whether these members follow one of them, or lead. */
const agree = (some: ReadonlyArray<Member>) =>
  Effect.map(
    Effect.forEach(some, ({ leader }) => leader),
    ([first, ...others]) => some.some(({ id }) => id === first) && others.every((other) => other === first)
  )

const kill = ({ server }: Member) => Effect.acquireRelease(server.kill, () => Effect.orDie(server.restart()))
const cutOff = (member: Member) =>
  Effect.tap(cut(member.server, "both"), () => eventually(Effect.map(member.leader, (leader) => leader === 0n)))

const strikes = [
  { role: "leader", strike: kill },
  { role: "follower", strike: cutOff },
  { role: "leader", strike: cutOff },
  { role: "follower", strike: kill }
] as const

/** Takes one member away until the scope closes, and waits until the other two go on without it. */
const harm = ({ role, strike }: (typeof strikes)[number]) =>
  Effect.gen(function*() {
    yield* eventually(agree(members))
    const [any] = members
    const leader = yield* any?.leader ?? assert.fail("there are no members")
    const victim = members.find(({ id }) => (id === leader) === (role === "leader")) ?? assert.fail(`no ${role}`)
    yield* strike(victim)
    yield* eventually(agree(members.filter((member) => member !== victim)))
  })

const url = servers.map((server) => server.url)

describe("without one of three members, another one for every ten laws,", () => {
  let laws = 0
  let harmed = Scope.makeUnsafe()
  const heal = () => Effect.runPromise(Scope.close(harmed, Exit.void))
  beforeEach(async () => {
    const strike = strikes[laws / 10 % strikes.length]
    laws++
    if (strike === undefined) return
    await heal()
    harmed = Scope.makeUnsafe()
    await Effect.runPromise(Scope.provide(harm(strike), harmed))
  }, 30_000)
  afterAll(heal)

  leaseStoreLaws("etcd", EtcdLeaseStore.layer({ url }), { shared: true, harmed: true, ...allAbilities })
  kvStoreLaws("etcd", EtcdKvStore.layer({ url }), { shared: true, leastTtl: 1000 })
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const numberOf = (value: Uint8Array): number => Number(new TextDecoder().decode(value))

describe("a store on three members", () => {
  it.live(
    "AC-33.1 keeps what it answered, tells each commit once, and keeps its leases, while one after another is killed or cut off",
    () =>
      Effect.gen(function*() {
        const context = yield* Layer.build(
          Layer.merge(EtcdKvStore.layerFrom(), EtcdLeaseStore.layerFrom()).pipe(
            Layer.provide(Etcd.layer({ url, requestTimeout: "1 second" }))
          )
        )
        const store = Context.get(context, KvStore.KvStore)
        const leases = Context.get(context, LeaseStore.LeaseStore)
        const holder = yield* leases.claim({ resource: "held", ttl: "10 seconds" })
        const waiter = yield* Effect.forkScoped(
          leases.claim({ resource: "held", ttl: "10 seconds", waitFor: Infinity })
        )
        const lease = yield* store.lease({ ttl: "10 seconds" })
        yield* store.put("bound", bytes("0"), { lease })

        let revision = yield* store.put("count", bytes("0"))
        const told: Array<readonly [revision: bigint, value: number]> = []
        yield* Effect.forkScoped(Stream.runForEach(store.watch("count", { from: revision }), ({ changes, revision }) =>
          Effect.sync(() => {
            for (const change of changes) if (change._tag === "Put") told.push([revision, numberOf(change.entry.value)])
          })))
        // After a failure the store tells whether the commit was made: nothing else writes the key.
        const write = (value: number): Effect.Effect<void> =>
          store.compareAndSet("count", revision, bytes(`${value}`)).pipe(
            Effect.catch(() =>
              Effect.map(
                Effect.eventually(Effect.flatMap(store.get("count"), Effect.fromOption)),
                (entry) =>
                  numberOf(entry.value) === value ? entry.revision : undefined
              )
            ),
            Effect.flatMap((made) => {
              if (made === undefined) return write(value)
              revision = made
              return Effect.void
            })
          )
        let written = 0
        let over = false
        const writer = yield* Effect.forkScoped(
          Effect.whileLoop({ while: () => !over, body: () => write(written + 1), step: () => void written++ })
        )
        for (const strike of strikes) {
          yield* Effect.scoped(Effect.gen(function*() {
            yield* harm(strike)
            const before = written
            yield* eventually(Effect.sync(() => written >= before + 20))
          }))
        }
        over = true
        yield* Fiber.join(writer)
        yield* eventually(Effect.sync(() => told.length > written))
        assert.deepStrictEqual(told.map(([, value]) => value), Array.from({ length: written + 1 }, (_, n) => n))
        assert.isTrue(told.every(([revision], at) => at === 0 || revision > (told[at - 1]?.[0] ?? revision)))
        assert.isTrue(lease.isAlive() && holder.isAlive())
        assert.isTrue(Option.isSome(yield* Effect.eventually(store.get("bound"))))
        assert.isUndefined(waiter.pollUnsafe())
        holder.releaseUnsafe()
        assert.isAbove(Number((yield* inTime(Fiber.join(waiter))).token), Number(holder.token))
      }),
    120_000
  )
})
