import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { LogAbilities } from "../LogLaws.ts"
import {
  append,
  eventually,
  having,
  inTime,
  type LogLaw,
  numbers,
  read,
  type Store,
  textOf,
  texts
} from "./logStage.ts"

/** Appends until it works. */
const insist = (store: Store, log: string, one: string) =>
  eventually("it is appended", append(store, log, [one]).pipe(Effect.as(true), Effect.orElseSucceed(() => false)))

/** What one who reads over the harm sees is what another reads afterwards, and all that was acknowledged is in it. */
const outlives = (store: Store, log: string, harm: Effect.Effect<void, unknown>) =>
  Effect.gen(function*() {
    yield* append(store, log, numbers(5))
    const { entries } = yield* store.read(log, "oldest")
    const upTo = Stream.runCollect(Stream.takeUntil(entries, (entry) => textOf(entry) === "end"))
    const seen = yield* Effect.forkScoped(upTo)
    const appended: Array<string> = []
    const appending = yield* Effect.forkScoped(Effect.forEach(
      Array.from({ length: 10_000 }, (_, at) => `x${at}`),
      (one) => Effect.match(append(store, log, [one]), { onSuccess: () => appended.push(one), onFailure: () => 0 }),
      { discard: true }
    ))
    yield* Effect.sleep(20)
    yield* harm
    yield* Fiber.interrupt(appending)
    yield* insist(store, log, "end")
    const live = Array.from(yield* inTime("the reader goes on", Fiber.join(seen)))
    const again = Array.from(yield* inTime("all is read again", upTo))
    assert.deepStrictEqual(live.map(({ offset }) => offset), again.map(({ offset }) => offset))
    const found = again.map(textOf)
    assert.deepStrictEqual(found.slice(0, 5), numbers(5))
    assert.deepStrictEqual(found.filter((one) => appended.includes(one)), appended)
  })

export const logSharingLaws = (law: LogLaw, { cut, restart, shared }: LogAbilities): void => {
  having(law, shared)(
    "what one process appends another reads, and positions are of all",
    ({ another, log, store }) =>
      Effect.gen(function*() {
        const [one, two] = [yield* another, yield* another]
        const found = yield* Effect.forkScoped(
          Effect.flatMap(one.read(log, "end"), (reading) => texts(reading, 200))
        )
        const ready = yield* one.read(log, "oldest")
        yield* Effect.sleep(20)
        const of = (name: string) => numbers(100).map((at) => `${name}${at}`)
        yield* Effect.all([
          Effect.forEach(of("a"), (text) => append(store, log, [text]), { discard: true }),
          append(two, log, of("b"))
        ], { concurrency: "unbounded" })
        const all = yield* texts(ready, 200)
        for (const name of ["a", "b"]) assert.deepStrictEqual(all.filter((text) => text.startsWith(name)), of(name))
        assert.deepStrictEqual(yield* read(two, log, "oldest", 200), all)
        assert.deepStrictEqual(yield* Fiber.join(found), all)
        const first = yield* one.attach(log, "c")
        yield* first.commit(7n)
        const second = yield* two.attach(log, "c")
        assert.deepStrictEqual(second.position, Option.some(7n))
        assert.strictEqual((yield* Effect.flip(first.commit(8n)))._tag, "ConsumerReplaced")
      })
  )

  having(law, restart)(
    "entries, positions and who reads outlive the server",
    ({ log, store }) =>
      Effect.gen(function*() {
        const consumer = yield* store.attach(log, "c")
        yield* consumer.commit(3n)
        yield* outlives(store, log, restart ?? Effect.void)
        assert.deepStrictEqual(yield* store.position(log, "c"), Option.some(3n))
        yield* consumer.commit(4n)
        const next = yield* store.attach(log, "c")
        assert.isTrue(next.token > consumer.token)
        assert.deepStrictEqual(next.position, Option.some(4n))
      })
  )

  having(law, cut)("who reads outlives a network that is cut, and misses nothing", ({ log, store }) => {
    const failing = Effect.repeat(
      append(store, log, ["lost"]).pipe(Effect.as(false), Effect.orElseSucceed(() => true)),
      { until: (failed) => failed }
    )
    const silent = Effect.andThen(cut ?? Effect.void, inTime("nothing can be appended", failing))
    return outlives(store, log, Effect.asVoid(Effect.scoped(silent)))
  })
}
