import { assert, describe, it } from "@effect/vitest"
import { EtcdNetwork, type Server } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { until } from "../src/internal/until.ts"

const base64 = (text: string) => Buffer.from(text).toString("base64")

const call = (server: Server.Server, path: string, body: object) =>
  Effect.tryPromise(async (signal) => {
    const response = await globalThis.fetch(`${server.url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal
    })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text
  }).pipe(Effect.timeout("1 second"))

const put = (server: Server.Server, value: string) => call(server, "kv/put", { key: base64("k"), value: base64(value) })
const read = (server: Server.Server, value: string, serializable: boolean) =>
  Effect.map(call(server, "kv/range", { key: base64("k"), serializable }), (text) => text.includes(base64(value)))

const eventually = <A, E>(what: string, effect: Effect.Effect<A, E>) =>
  Effect.map(until(Effect.isSuccess(effect), "20 seconds"), (yes) => assert.isTrue(yes, what))

const holds = <E>(effect: Effect.Effect<boolean, E>) =>
  Effect.flatMap(effect, (yes) => yes ? Effect.void : Effect.fail("not yet"))

const leads = (server: Server.Server) =>
  Effect.map(call(server, "maintenance/status", {}), (text) => {
    const member = /"member_id":"(\d+)"/.exec(text)?.[1]
    return /"leader":"(\d+)"/.exec(text)?.[1] === member
  })

const follows = (server: Server.Server) =>
  Effect.map(call(server, "maintenance/status", {}), (text) => /"leader":"[1-9]/.test(text))

/** The leader, and another member. */
const roles = (members: ReadonlyArray<Server.Server>) =>
  Effect.gen(function*() {
    const leading = yield* Effect.filter(members, leads)
    const leader = leading[0]
    const follower = members.find((member) => member !== leader)
    if (leader === undefined || follower === undefined) return yield* Effect.die(new Error("nobody leads"))
    return { leader, follower }
  })

describe("a cluster of etcd behind proxies", () => {
  for (const role of ["leader", "follower"] as const) {
    it.live(
      `serves without a ${role} that is cut off, which knows only what was, and catches up when it is healed`,
      () =>
        Effect.gen(function*() {
          const { cut, members } = yield* EtcdNetwork.make(3)
          yield* put(members[0], "before")
          const found = yield* roles(members)
          const alone = found[role]
          const other = found[role === "leader" ? "follower" : "leader"]
          yield* Effect.scoped(Effect.gen(function*() {
            yield* cut(alone, "both")
            yield* eventually("the others go on", put(other, "after"))
            assert.isTrue(yield* read(alone, "before", true))
            assert.isTrue(yield* Effect.isFailure(read(alone, "", false)))
            assert.isTrue(yield* Effect.isFailure(put(alone, "lost")))
          }))
          yield* eventually("it catches up", holds(read(alone, "after", false)))
        }),
      90_000
    )
  }

  it.live(
    "a follower that is not heard cannot have anything written, and still hears its leader",
    () =>
      Effect.gen(function*() {
        const { cut, members } = yield* EtcdNetwork.make(3)
        const { follower, leader } = yield* roles(members)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* cut(follower, "out")
          yield* eventually("the leader goes on", put(leader, "heard"))
          // Longer than the time after which a member that hears nothing stands for election.
          assert.isTrue(yield* Effect.isFailure(put(follower, "lost")))
          assert.isTrue(yield* follows(follower))
        }))
        yield* eventually("it is heard again", put(follower, "back"))
      }),
    90_000
  )

  it.live("a follower that does not hear knows only what was", () =>
    Effect.gen(function*() {
      const { cut, members } = yield* EtcdNetwork.make(3)
      const { follower, leader } = yield* roles(members)
      yield* put(leader, "before")
      yield* eventually("all know it", holds(read(follower, "before", true)))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* cut(follower, "in")
        yield* eventually("the leader goes on", put(leader, "after"))
        assert.isTrue(yield* read(follower, "before", true))
        yield* eventually("it gives its leader up", holds(Effect.map(follows(follower), (yes) => !yes)))
      }))
      yield* eventually("it catches up", holds(read(follower, "after", false)))
    }), 90_000)
})
