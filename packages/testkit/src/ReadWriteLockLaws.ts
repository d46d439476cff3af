/**
 * What `ReadWriteLock` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { LeaseStore, ReadWriteLock } from "heddle/coordination"
import { patternLawOf } from "./laws/patternStage.ts"
import { blockThread, inTime, seen } from "./laws/Stage.ts"

/** In milliseconds: a holder that is blocked for longer has lost the lock. */
const shortTtl = 300

/** Waits until so many hold and so many wait. */
const shows = (name: string, holders: number, waiters: number) =>
  Effect.flatMap(LeaseStore.LeaseStore, (store) =>
    seen(
      store,
      `rwlock/${name}`,
      `${holders} hold and ${waiters} wait`,
      (now) => now.holders.length === holders && now.waiters.length === waiters
    ))

/** Who is inside, in the order in which they came and went. */
const makeLog = () => {
  const log: Array<string> = []
  const go = Deferred.makeUnsafe<void>()
  const stay = (who: string) =>
    Effect.acquireUseRelease(
      Effect.sync(() => log.push(`+${who}`)),
      () => Deferred.await(go),
      () => Effect.sync(() => log.push(`-${who}`))
    )
  return { log, stay, leave: Deferred.succeed(go, undefined) }
}

/**
 * Registers the laws of `ReadWriteLock` as one suite. The layer, built twice, stands for two processes on one backend.
 *
 * @category laws
 * @since 0.1.0
 */
export const readWriteLockLaws = <E>(
  name: string,
  layer: Layer.Layer<ReadWriteLock.Needs, E>,
  abilities: { readonly resizable?: true } = {}
): void => {
  describe(`${name} keeps the laws of ReadWriteLock`, () => {
    const law = patternLawOf(layer)

    law(
      "readers of all processes read side by side, and a writer waits for all of them",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const { leave, log, stay } = makeLog()
          const one = yield* Effect.forkScoped(here(ReadWriteLock.withRead(name)(stay("one"))))
          const two = yield* Effect.forkScoped(there(ReadWriteLock.withRead(name)(stay("two"))))
          yield* here(shows(name, 2, 0))
          const write = Effect.sync(() => log.push("write"))
          const writer = yield* Effect.forkScoped(there(ReadWriteLock.withWrite(name)(write)))
          yield* here(shows(name, 2, 1))
          yield* leave
          yield* inTime("all are through", Fiber.joinAll([one, two, writer]))
          assert.deepStrictEqual([...log.slice(0, 2).sort(), ...log.slice(2, 4).sort(), log[4]], [
            "+one",
            "+two",
            "-one",
            "-two",
            "write"
          ])
        })
    )

    law(
      "a reader that comes after a writer does not pass it, and those that wait together enter together",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const first = makeLog()
          const holder = yield* Effect.forkScoped(here(ReadWriteLock.withRead(name)(first.stay("reader"))))
          yield* here(shows(name, 1, 0))
          const second = makeLog()
          const writer = yield* Effect.forkScoped(there(ReadWriteLock.withWrite(name)(second.stay("writer"))))
          yield* here(shows(name, 1, 1))
          assert.isTrue(Option.isNone(yield* here(ReadWriteLock.tryRead(name)(Effect.void))))
          const third = makeLog()
          const late = yield* Effect.forkScoped(here(ReadWriteLock.withRead(name)(third.stay("late"))))
          yield* here(shows(name, 1, 2))
          const later = yield* Effect.forkScoped(there(ReadWriteLock.withRead(name)(third.stay("later"))))
          yield* here(shows(name, 1, 3))
          yield* first.leave
          yield* here(shows(name, 1, 2))
          const info = yield* here(ReadWriteLock.inspect(name))
          assert.deepStrictEqual([info.writer !== undefined, info.readers.length], [true, 0])
          assert.deepStrictEqual(info.waiters.map(({ mode }) => mode), ["read", "read"])
          yield* second.leave
          yield* here(shows(name, 2, 0))
          yield* third.leave
          yield* inTime("all are through", Fiber.joinAll([holder, writer, late, later]))
        })
    )

    law(
      "a writer is alone, and has a token above that of every writer before",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          let inside = 0
          const tokens: Array<bigint> = []
          const write = ReadWriteLock.withWrite(name)((lease) =>
            Effect.gen(function*() {
              assert.strictEqual(++inside, 1)
              tokens.push(lease.token)
              yield* Effect.yieldNow
              inside--
            })
          )
          const writers = Array.from({ length: 12 }, (_, n) => n % 2 === 0 ? here(write) : there(write))
          yield* inTime("all have written", Effect.all(writers, { concurrency: "unbounded" }))
          assert.deepStrictEqual(tokens, [...tokens].sort((a, b) => Number(a - b)))
          assert.strictEqual(new Set(tokens).size, 12)
        })
    )

    law("who does not wait is refused while a writer holds", ({ here, name, there }) =>
      Effect.gen(function*() {
        const { leave, stay } = makeLog()
        const writer = yield* Effect.forkScoped(here(ReadWriteLock.withWrite(name)(stay("writer"))))
        yield* here(shows(name, 1, 0))
        const read = there(ReadWriteLock.tryRead(name)(Effect.succeed("read")))
        const write = there(ReadWriteLock.tryWrite(name)(Effect.succeed("write")))
        assert.deepStrictEqual((yield* Effect.all([read, write])).map(Option.isNone), [true, true])
        yield* leave
        yield* Fiber.join(writer)
        yield* here(shows(name, 0, 0))
        assert.deepStrictEqual((yield* Effect.all([read])).map(Option.getOrUndefined), ["read"])
      }))

    law(
      "a key that the fiber holds already is refused, in either mode, and nothing waits for itself",
      ({ here, name }) =>
        Effect.gen(function*() {
          const inner = [
            ReadWriteLock.withRead(name)(Effect.void),
            ReadWriteLock.withWrite(name)(Effect.void),
            Effect.asVoid(ReadWriteLock.tryRead(name)(Effect.void))
          ]
          for (const one of inner) {
            const inRead = yield* Effect.flip(here(ReadWriteLock.withRead(name)(one)))
            const inWrite = yield* Effect.flip(here(ReadWriteLock.withWrite(name)(one)))
            assert.deepInclude(inRead, { _tag: "WouldDeadlock", key: name })
            assert.deepInclude(inWrite, { _tag: "WouldDeadlock", key: name })
          }
          const other = here(ReadWriteLock.withRead(`${name}/other`)(Effect.succeed("another key")))
          assert.strictEqual(yield* here(ReadWriteLock.withWrite(name)(other)), "another key")
        })
    )

    law("a wait that times out or is interrupted leaves the line", ({ here, name, there }) =>
      Effect.gen(function*() {
        const { leave, stay } = makeLog()
        const holder = yield* Effect.forkScoped(here(ReadWriteLock.withRead(name)(stay("reader"))))
        yield* here(shows(name, 1, 0))
        const late = yield* Effect.flip(there(ReadWriteLock.withWrite(name, { waitFor: 20 })(Effect.void)))
        assert.deepInclude(late, { _tag: "LeaseTimeout" })
        const writer = yield* Effect.forkScoped(there(ReadWriteLock.withWrite(name)(Effect.void)))
        yield* here(shows(name, 1, 1))
        yield* Fiber.interrupt(writer)
        yield* here(shows(name, 1, 0))
        assert.isTrue(Option.isSome(yield* there(ReadWriteLock.tryRead(name)(Effect.void))))
        yield* leave
        yield* Fiber.join(holder)
      }))

    law(
      "who loses the lock is interrupted before anybody enters in its stead, and other readers read on",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const { leave, log, stay } = makeLog()
          const other = yield* Effect.forkScoped(there(ReadWriteLock.withRead(name)(stay("other"))))
          yield* here(shows(name, 1, 0))
          const short = here(ReadWriteLock.withRead(name, { ttl: shortTtl })(stay("loser")))
          const loser = yield* Effect.forkScoped(Effect.flip(short))
          yield* here(shows(name, 2, 0))
          const write = there(ReadWriteLock.withWrite(name)(Effect.sync(() => log.push("write"))))
          const writer = yield* Effect.forkScoped(write)
          yield* here(shows(name, 2, 1))
          yield* Effect.sync(() => blockThread(shortTtl * 1.5))
          assert.deepInclude(yield* inTime("the section ends", Fiber.join(loser)), { _tag: "LeaseLost" })
          yield* here(shows(name, 1, 1))
          yield* leave
          yield* inTime("all are through", Fiber.joinAll([other, writer]))
          assert.deepStrictEqual(log, ["+other", "+loser", "-loser", "-other", "write"])
        })
    )

    law("a key that means nothing is refused", ({ here }) =>
      Effect.gen(function*() {
        for (const key of ["", "x".repeat(1001)]) {
          const refused = yield* Effect.flip(here(ReadWriteLock.withRead(key)(Effect.void)))
          assert.deepInclude(refused, { _tag: "InvalidClaim", field: "key" })
        }
      }))

    if (abilities.resizable === undefined) return

    law(
      "a writer becomes a reader without a gap: readers enter, the next writer does not",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const { leave, log, stay } = makeLog()
          const wrote = yield* Deferred.make<void>()
          const go = yield* Deferred.make<void>()
          const section = (lease: ReadWriteLock.WriteLease) =>
            Effect.gen(function*() {
              yield* Deferred.succeed(wrote, undefined)
              yield* Deferred.await(go)
              const read = yield* lease.downgrade
              assert.deepStrictEqual([read.token, read.isAlive()], [lease.token, true])
              yield* stay("first")
            })
          const first = yield* Effect.forkScoped(here(ReadWriteLock.withWrite(name)(section)))
          yield* Deferred.await(wrote)
          const reader = yield* Effect.forkScoped(there(ReadWriteLock.withRead(name)(stay("reader"))))
          yield* here(shows(name, 1, 1))
          const writer = yield* Effect.forkScoped(
            there(ReadWriteLock.withWrite(name)(Effect.sync(() => log.push("writer"))))
          )
          yield* here(shows(name, 1, 2))
          yield* Deferred.succeed(go, undefined)
          yield* here(shows(name, 2, 1))
          yield* leave
          yield* inTime("all are through", Fiber.joinAll([first, reader, writer]))
          assert.strictEqual(log.at(-1), "writer")
        })
    )
  })
}
