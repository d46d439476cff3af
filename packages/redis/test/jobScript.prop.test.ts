import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Job, JobBackend, JobMachine } from "heddle/messaging"
import { Redis } from "ioredis"
import * as Script from "../src/internal/jobScript.ts"
import { jobKeys } from "../src/internal/jobSteps.ts"
import type { Args, Reply } from "../src/internal/kvScript.ts"

const ids = ["a", "b", "c\u0000", "d", "e", "f"] as const
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Entry = Schema.Struct({
  id: Schema.Literals(ids),
  // One key begins as another does.
  key: Schema.Literals(["", "", "k", "k\u0001", "k:1"]),
  priority: Schema.Literals([0, 0, 1, 9]),
  delay: Schema.Literals([0, 0, 500, 60_000]),
  maxAttempts: int(1, 2),
  keep: Schema.Literals([0, 1000, 120_000])
})
/** Which of the claims so far, counted from the last; there may be none. */
const back = int(0, 3)
const Order = Schema.TaggedUnion({
  Enqueue: { entries: Schema.Array(Entry).check(Schema.isMinLength(1), Schema.isMaxLength(4)) },
  Claim: { max: int(1, 3), ttl: Schema.Literals([300, 20_000]) },
  Extend: { claim: back },
  Settle: {
    claim: back,
    kind: Schema.Literals(["Completed", "Completed", "Retry", "Dead", "HandedBack"]),
    delay: Schema.Literals([0, 500])
  },
  Report: { claim: back },
  Cancel: { id: Schema.Literals(ids) },
  Redrive: { ids: Schema.UndefinedOr(Schema.Array(Schema.Literals(ids)).check(Schema.isMaxLength(2))) },
  Purge: { what: Schema.Literals(["waiting", "dead"]) },
  Pause: { pause: Schema.Literals([true, false, false]) }
})
type Order = typeof Order.Type
// The orders of one batch are carried out at one instant.
const Batch = Schema.Struct({
  pass: Schema.Literals([0, 1, 400, 25_000]),
  orders: Schema.Array(Order).check(Schema.isMinLength(1), Schema.isMaxLength(4))
})

const script = Script.scriptWith("at = 3\nlocal micros = tonumber(ARGV[3])")
const { keys, start } = jobKeys("test", "queue")

class Fixture extends Context.Service<Fixture, { readonly redis: Redis }>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.redis
      const connect = Effect.sync(() => new Redis(url))
      return { redis: yield* Effect.acquireRelease(connect, (client) => Effect.sync(() => client.disconnect())) }
    })
  )
}

interface Claim {
  readonly id: string
  readonly ttl: number
  readonly mine: number
  /** Its token in the script, once it is known. */
  token: bigint
}

const failure: Job.Failure = { cause: "for a reason\u0000", error: Uint8Array.of(1, 0, 2) }
const never: Claim = { id: "nobody", ttl: 1000, mine: -1, token: -1n }

/** What both sides say of a claimed job, but for its token. */
const shown = ({ age, attempt, headers, id, key, maxAttempts, payload }: JobMachine.Granted | Script.Found) => ({
  age,
  attempt,
  headers,
  id,
  key,
  maxAttempts,
  payload
})

/** One order, in both languages: what to send, what the machine answers, and how the script's answer reads. */
interface Step {
  readonly args: Args
  readonly expected: unknown
  readonly read: (reply: Reply) => unknown
}

class Twin {
  readonly machine = new JobMachine.JobMachine()
  readonly claims: Array<Claim> = []
  now = 1_700_000_000_000

  private claim(back: number): Claim {
    return this.claims.at(-1 - back) ?? never
  }

  step(order: Order): Step {
    const { machine, now } = this
    switch (order._tag) {
      case "Enqueue": {
        const entries = order.entries.map((entry, at): JobBackend.Entry =>
          Object.assign({}, entry, {
            key: entry.key === "" ? undefined : entry.key,
            headers: { at: String(at) },
            payload: Uint8Array.of(at, 0, 255)
          })
        )
        return { args: Script.enqueue(entries), expected: machine.enqueue(now, entries), read: Script.flagsOf }
      }
      case "Claim": {
        const granted = machine.claim(now, order.max, order.ttl, "me")
        const claims = granted.map(({ id, token }) => ({ id, ttl: order.ttl, mine: token, token: -1n }))
        this.claims.push(...claims)
        return {
          args: Script.claim({ max: order.max, ttl: order.ttl, owner: "me" }),
          expected: granted.map(shown),
          read: (reply) =>
            Script.claimedOf(reply).found.map((job, at) => {
              const { token } = job
              const claim = claims[at]
              if (claim !== undefined) {
                for (const { id, token: before } of this.claims) if (id === claim.id) assert.isTrue(before < token)
                claim.token = token
              }
              return shown(job)
            })
        }
      }
      case "Extend": {
        const { id, mine, token, ttl } = this.claim(order.claim)
        return {
          args: Script.extend([{ queue: "queue", id, token, ttl }]),
          expected: [machine.extend(now, id, mine, ttl)],
          read: Script.flagsOf
        }
      }
      case "Settle": {
        const { delay, kind } = order
        const settlement: JobBackend.Settlement = kind === "Completed"
          ? { _tag: kind, result: delay === 0 ? undefined : Uint8Array.of(7, 0) }
          : kind === "HandedBack"
          ? { _tag: kind }
          : kind === "Dead"
          ? { _tag: kind, failure }
          : { _tag: kind, delay, failure: { cause: "no" } }
        const { id, mine, token } = this.claim(order.claim)
        return {
          args: Script.settle({ id, token }, settlement),
          expected: machine.settle(now, id, mine, settlement),
          read: Script.settledOf
        }
      }
      case "Report": {
        const { id, mine, token } = this.claim(order.claim)
        return {
          args: Script.report({ id, token }, Uint8Array.of(5)),
          expected: machine.report(now, id, mine, Uint8Array.of(5)),
          read: (reply) => Script.countOf(reply) === 1
        }
      }
      case "Cancel": {
        const token = machine.cancel(now, order.id)
        return {
          args: Script.cancel(order.id),
          expected: token === undefined ? "none" : token > 0 ? "claimed" : "waiting",
          read: (reply) => {
            const token = Script.cancelledOf(reply)
            return token === undefined ? "none" : token === "" ? "waiting" : "claimed"
          }
        }
      }
      case "Redrive":
        return {
          args: Script.redrive(order.ids),
          expected: machine.redrive(now, order.ids),
          read: Script.countOf
        }
      case "Purge":
        return { args: Script.purge(order.what), expected: machine.purge(now, order.what), read: Script.countOf }
      case "Pause":
        machine.paused = order.pause
        return { args: Script.pause(order.pause), expected: undefined, read: () => undefined }
    }
  }

  /** Everything that can be seen. */
  look(): ReadonlyArray<Step> {
    const { machine, now } = this
    const outcomeOf = (id: string): Job.JobEvent | undefined => {
      const { outcome, progress } = machine.outcome(now, id)
      if (outcome !== undefined) return { _tag: "Ended", outcome }
      return progress === undefined ? undefined : { _tag: "Progress", value: progress }
    }
    return [
      { args: Script.stats, expected: machine.stats(now), read: Script.statsOf },
      { args: Script.dead(100), expected: machine.deadLetters(now, 100), read: Script.lettersOf },
      ...ids.flatMap((id): ReadonlyArray<Step> => [
        {
          args: Script.inspect(id),
          expected: machine.inspect(now, id),
          read: (reply) => Script.infoOf(id, reply)
        },
        { args: Script.outcome(id), expected: outcomeOf(id), read: Script.eventOf }
      ])
    ]
  }
}

/** Carries operations out in the script, in one call, and compares. */
const compare = Effect.fnUntraced(function*(steps: ReadonlyArray<Step>, now: number) {
  const { redis } = yield* Fixture
  const rest = steps.flatMap(({ args }) => args)
  const answers = yield* Effect.promise(() =>
    redis.callBuffer("eval", [
      script.lua,
      keys.length,
      ...keys,
      start,
      JobBackend.level,
      now * 1000,
      ...rest
    ])
  )
  const replies = answers as ReadonlyArray<Reply>
  assert.deepStrictEqual(
    steps.map(({ read }, at) => read(replies[at] ?? null)),
    steps.map(({ expected }) => expected)
  )
})

layer(Fixture.layer)((it) => {
  it.effect.prop(
    "the script answers and keeps what the machine does",
    { batches: Schema.Array(Batch).check(Schema.isMaxLength(20)) },
    ({ batches }) =>
      Effect.gen(function*() {
        const { redis } = yield* Fixture
        yield* Effect.promise(() => redis.flushall())
        const twin = new Twin()
        // Something is claimed, so that most orders find what they are about.
        const entry = { key: "", priority: 0, delay: 0, maxAttempts: 2, keep: 0 } as const
        const entries = [{ ...entry, id: "a" }, { ...entry, id: "b", key: "k" }, {
          ...entry,
          id: "d",
          key: "k"
        }] as const
        yield* compare([twin.step({ _tag: "Enqueue", entries })], twin.now)
        yield* compare([twin.step({ _tag: "Claim", max: 3, ttl: 20_000 })], twin.now)
        for (const { orders, pass } of batches) {
          twin.now += pass
          // A claim's token is known when its call has been answered: what is about claims comes in a call of its own.
          for (const order of orders) yield* compare([twin.step(order)], twin.now)
          yield* compare(twin.look(), twin.now)
        }
        // What is over leaves nothing behind but the queue's own numbers.
        twin.now += 200_000
        yield* compare([twin.step({ _tag: "Pause", pause: false })], twin.now)
        for (let more = true; more;) {
          const claimed = twin.claims.length
          yield* compare([twin.step({ _tag: "Claim", max: 3, ttl: 20_000 })], twin.now)
          more = twin.claims.length > claimed
          for (let at = 0; at < twin.claims.length - claimed; at++) {
            yield* compare([twin.step({ _tag: "Settle", claim: at, kind: "Completed", delay: 0 })], twin.now)
          }
        }
        twin.now += 200_000
        yield* compare([twin.step({ _tag: "Purge", what: "dead" })], twin.now)
        yield* compare(twin.look(), twin.now)
        const left = yield* Effect.promise(() => redis.keys("*"))
        assert.deepStrictEqual(left, [keys[0]])
      }),
    { arbitrary: { runs: 300, size: 60 }, timeout: 60_000 }
  )
})
