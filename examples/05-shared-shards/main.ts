// Three indexers share twelve shards by what they know of each other; one leaves, and only its shards move.
//   node --conditions=@heddle/source examples/05-shared-shards/main.ts [memory|redis|etcd|postgres]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Membership } from "heddle/coordination"
import { fileURLToPath } from "node:url"

const indexers = Membership.make({ group: "indexers", value: Schema.String })
const shards = Array.from({ length: 12 }, (_, index) => `shard/${index}`)

/** Who has which shard, by address. Nobody is asked: it is computed from the members. */
const shares = (view: Membership.View<string>): ReadonlyMap<string, string> =>
  new Map(shards.map((shard) => [
    shard,
    Option.match(Membership.owner(view, shard), { onNone: () => "nobody", onSome: ({ value }) => value })
  ]))

/** Follows the group until it has so many members. */
const when = (count: number) =>
  indexers.changes.pipe(
    Stream.filter(({ members }) => members.length === count),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.orDie,
    Effect.map(shares)
  )

const all = { concurrency: "unbounded" } as const

/** Who had which shard, as each of the three saw it, and as each of the two that stayed did. */
export const scene = Effect.scoped(Effect.gen(function*() {
  const join = (address: string) => Effect.tap(Scope.make(), (own) => Scope.provide(indexers.join(address), own))
  const [ada, ben, cleo] = yield* Effect.all([join("ada"), join("ben"), join("cleo")], all)
  yield* Effect.addFinalizer(() => Effect.all([ada, ben].map((own) => Scope.close(own, Exit.void)), all))
  const before = yield* Effect.all([when(3), when(3), when(3)], all)
  const [seen] = yield* Effect.all([Effect.all([when(2), when(2)], all), Scope.close(cleo, Exit.void)], all)
  return { before, after: seen }
}))

/** Where the group can live. Only the one that is asked for is loaded. */
export const backends: Readonly<
  Record<string, () => Promise<{ readonly layer: Layer.Layer<Membership.Needs, Error> }>>
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
    const { after, before } = yield* Effect.provide(scene, layer)
    for (const shard of shards) {
      const [was, is] = [before[0].get(shard), after[0].get(shard)]
      yield* Console.log(`${shard}: ${was}${was === is ? "" : ` left, now ${is}`}`)
    }
  })
  NodeRuntime.runMain(program)
}
