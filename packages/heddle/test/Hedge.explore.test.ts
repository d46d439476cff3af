import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { Hedge } from "heddle/flow"

/** Resources that are open, each by its number, and how many were opened. */
class Ledger {
  readonly open = new Set<number>()
  opened = 0
  readonly resource = Effect.acquireRelease(
    Effect.sync(() => {
      const id = this.opened++
      this.open.add(id)
      return id
    }),
    (id) =>
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => {
          assert.isTrue(this.open.delete(id), "released twice")
        })
      )
  )

  /** Opens something, takes its time, and succeeds, fails or dies. */
  readonly attempt = Effect.gen({ self: this }, function*() {
    const id = yield* this.resource
    const way = yield* Random.nextIntBetween(0, 8)
    if (way < 2) yield* Effect.yieldNow
    else if (way < 5) yield* Effect.sleep(way)
    if (way % 3 === 1) return yield* Effect.fail("failed" as const)
    return id
  })
}

/** One call in a scope: the winner is open until the scope ends, and all others are closed with it at the latest. */
const program = Effect.gen(function*() {
  const ledger = new Ledger()
  yield* Effect.scoped(Effect.gen(function*() {
    const scope = yield* Scope.Scope
    const effects = [ledger.attempt, ledger.attempt, ledger.attempt]
    const way = yield* Random.nextIntBetween(0, 5)
    const need = way === 4 ? 2 : 1
    const options = (yield* Random.nextBoolean) ? { within: 3 } : {}
    const call: Effect.Effect<ReadonlyArray<number>, { readonly _tag: string }, Scope.Scope> = need === 2
      ? Hedge.quorum(2, options)(effects)
      : Effect.map(
        way === 3
          ? Hedge.hedged(ledger.attempt, { idempotent: true, delay: 2, max: 2, ...options })
          : Hedge.firstSuccess(effects, { delay: way, ...options }),
        (id) => [id]
      )
    const fiber = yield* Effect.forkChild(Scope.provide(call, scope))
    if ((yield* Random.nextIntBetween(0, 3)) === 0) yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    yield* Effect.sleep(10)
    if (Exit.isSuccess(exit)) assert.sameMembers([...ledger.open], [...exit.value])
    // Who is interrupted just when enough have succeeded leaves what they opened to the scope.
    else assert.isAtMost(ledger.open.size, Exit.hasInterrupts(exit) ? need : 0)
  }))
  assert.strictEqual(ledger.open.size, 0)
})

describe("Hedge under every kind of interleaving", () => {
  it.live("the winner's resources are the caller's, all others are released once", () =>
    Effect.andThen(
      Explore.run(program, { runs: 3000, leaks: true }),
      Explore.run(program, { runs: 1000, leaks: true, strategy: Explore.pct() })
    ), 120_000)
})

describe("Hedge interrupted at every step", () => {
  interface World {
    readonly ledger: Ledger
    readonly scope: Scope.Closeable
  }
  const setup: Effect.Effect<World, never, Scope.Scope> = Effect.map(
    Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void)),
    (scope) => ({ ledger: new Ledger(), scope })
  )
  const ways: ReadonlyArray<readonly [string, (ledger: Ledger) => Effect.Effect<unknown, unknown, Scope.Scope>]> = [
    ["firstSuccess", ({ resource }) => {
      const slow = Effect.delay(resource, 5)
      return Hedge.firstSuccess([Effect.andThen(resource, Effect.fail("a")), slow, Effect.andThen(resource, slow)], {
        delay: 1
      })
    }],
    [
      "hedged",
      ({ resource }) =>
        Hedge.hedged(Effect.tap(resource, () => Effect.sleep(10)), { idempotent: true, delay: 2, max: 2 })
    ],
    ["quorum", ({ resource }) => Hedge.quorum(2)([resource, Effect.delay(resource, 2), Effect.delay(resource, 3)])]
  ]
  for (const [name, call] of ways) {
    it.live(`${name}: nothing is left open, and nobody is left running`, () =>
      InterruptSweep.run({
        setup,
        program: ({ ledger, scope }) => Scope.provide(call(ledger), scope),
        invariant: ({ ledger, scope }) =>
          Effect.andThen(
            Scope.close(scope, Exit.void),
            Effect.sync(() => assert.strictEqual(ledger.open.size, 0))
          ),
        target: "all"
      }), 120_000)
  }
})
