// Requests for many users: a statement reads a user's account at leisure, a transfer changes two of them, and none sees a half.
//   node --conditions=@heddle/source examples/04-user-operations/main.ts [memory|redis|etcd|postgres]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { ReadWriteLock } from "heddle/coordination"
import { fileURLToPath } from "node:url"

const users = ["ada", "bob", "cyd", "dan"]

/** What the requests came to: whether the books balance, and the most statements of one user that were read at once. */
export const scene = Effect.gen(function*() {
  const accounts = new Map(users.map((user) => [user, { one: 50, two: 50 }]))
  const readers = new Map(users.map((user) => [user, 0]))
  let most = 0
  let torn = 0

  const statement = (user: string) =>
    ReadWriteLock.withRead(`user:${user}`)(Effect.gen(function*() {
      const reading = (readers.get(user) ?? 0) + 1
      readers.set(user, reading)
      most = Math.max(most, reading)
      const { one } = accounts.get(user) ?? { one: 0 }
      yield* Effect.sleep("2 millis")
      const { two } = accounts.get(user) ?? { two: 0 }
      if (one + two !== 100) torn++
      readers.set(user, (readers.get(user) ?? 0) - 1)
    }))

  // From one account of a user to the other, in two steps: whoever read between them would miss the money.
  const transfer = (user: string) =>
    ReadWriteLock.withWrite(`user:${user}`)(Effect.gen(function*() {
      const account = accounts.get(user)
      if (account === undefined) return
      account.one -= 10
      yield* Effect.sleep("1 millis")
      account.two += 10
    }))

  const requests = users.flatMap((user) =>
    Array.from({ length: 9 }, (_, n) => n % 3 === 2 ? transfer(user) : statement(user))
  )
  yield* Effect.all(requests, { concurrency: "unbounded" })
  const balances = [...accounts.values()].map(({ one, two }) => `${one} + ${two}`)
  return { balances, most, torn }
})

/** Where the locks can live. Only the one that is asked for is loaded. */
export const backends: Readonly<
  Record<string, () => Promise<{ readonly layer: Layer.Layer<ReadWriteLock.Needs, Error> }>>
> = {
  memory: () => import("./memory.ts"),
  redis: () => import("./redis.ts"),
  etcd: () => import("./etcd.ts"),
  postgres: () => import("./postgres.ts")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const load = backends[backend] ?? (() => Promise.reject(new Error(`memory, redis, etcd or postgres, not ${backend}`)))
  const program = Effect.gen(function*() {
    const { layer } = yield* Effect.promise(load)
    const { balances, most, torn } = yield* Effect.provide(scene, layer)
    yield* Console.log(`${users.length} users have ${balances.join(", ")}; ${torn} statements saw a half`)
    yield* Console.log(`up to ${most} statements of one user were read at once`)
  })
  NodeRuntime.runMain(program)
}
