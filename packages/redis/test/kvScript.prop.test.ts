import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { KvMachine } from "heddle/coordination"
import type { KvBackend, KvEntry } from "heddle/coordination"
import { Redis } from "ioredis"
import * as Script from "../src/internal/kvScript.ts"
import { kvKeys } from "../src/internal/kvSteps.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

// In the order of neither their bytes nor JavaScript's characters.
const keys = Schema.Literals(["b", "\uFFFD", "a", "\u{1F600}", "a\u0000", "b/"])
const ttls = int(10, 120_000)
/** Which of the leases granted so far, counted from the last; there may be none. */
const leases = int(0, 3)

const Write = Schema.TaggedUnion({
  Put: {
    key: keys,
    value: int(0, 255),
    lasts: Schema.Literals(["ever", "ever", "lease", "ttl"]),
    lease: leases,
    ttl: ttls
  },
  Delete: { key: keys }
})
const Order = Schema.TaggedUnion({
  Commit: {
    checks: Schema.Array(Schema.Struct({ key: keys, kind: Schema.Literals(["now", "now", "absent", "old"]) })).check(
      Schema.isMaxLength(2)
    ),
    writes: Schema.Array(Write).check(Schema.isMinLength(1), Schema.isMaxLength(4))
  },
  Grant: { ttl: ttls },
  Renew: { lease: leases, ttl: ttls },
  Revoke: { lease: leases },
  Get: { key: keys },
  Range: {
    prefix: Schema.Literals(["", "a", "b"]),
    after: Schema.Literals(["none", "a", "b", "\uFFFD"]),
    limit: int(1, 6)
  }
})
type Order = typeof Order.Type
// The orders of one batch are carried out at one instant.
const Batch = Schema.Struct({
  pass: Schema.Literals([0, 0.001, 1, 30_000, 90_000]),
  orders: Schema.Array(Order).check(Schema.isMinLength(1), Schema.isMaxLength(5))
})

const script = Script.scriptWith("local micros = tonumber(ARGV[1])\nat, kept, channel = 3, ARGV[2], ARGV[3]")
const { channel, keys: stored } = kvKeys("test")
const everything = { key: "", prefix: true }

class Fixture extends Context.Service<Fixture, {
  readonly redis: Redis
  /** What was published, since the last look. */
  readonly published: Effect.Effect<ReadonlyArray<string>>
}>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.redis
      const connect = Effect.acquireRelease(
        Effect.sync(() => new Redis(url)),
        (client) => Effect.sync(() => client.disconnect())
      )
      const redis = yield* connect
      const subscriber = yield* connect
      let seen: Array<string> = []
      subscriber.on("message", (_: string, message: string) => void seen.push(message))
      yield* Effect.promise(() => subscriber.subscribe(channel))
      return {
        redis,
        // What was published before the answer to a script is in the subscriber's stream before the answer to a later ping.
        published: Effect.map(Effect.promise(() => subscriber.ping()), () => {
          const all = seen
          seen = []
          return all
        })
      }
    })
  )
}

/** Carries operations out in the script, in one call. */
const inScript = Effect.fnUntraced(function*(ops: ReadonlyArray<Script.Args>, micros: number) {
  const { redis } = yield* Fixture
  const reply = yield* Effect.promise(() =>
    redis.callBuffer("eval", [script.lua, stored.length, ...stored, micros, 10_000, channel, ...ops.flat()])
  )
  const [next, answers] = reply as readonly [Buffer, ReadonlyArray<Script.Reply>]
  return { next: Number(next), answers }
})

/** The machine, and what its revisions and leases are called in the script. */
class Twin {
  readonly machine = new KvMachine.KvMachine(10_000)
  private readonly revisions = new Map([[0n, 0n]])
  readonly leases: Array<{ readonly id: string; name: string }> = []
  /** Up to where the script was read. */
  seen: bigint
  constructor(seen: bigint) {
    this.seen = seen
    // 0 stands for the revision of a key that is absent.
    this.machine.revision = 1n
    this.revisions.set(this.machine.revision, seen)
  }
  nameOf(revision: bigint): bigint {
    return this.revisions.get(revision) ?? -1n
  }
  entry<E extends KvEntry.Entry | undefined>(entry: E): KvEntry.Entry | undefined {
    return entry === undefined
      ? undefined
      : { ...entry, revision: this.nameOf(entry.revision), created: this.nameOf(entry.created) }
  }
  /** Learns what the script called the machine's last revisions. */
  learn(before: bigint, changed: ReadonlyArray<KvEntry.Changed>): ReadonlyArray<KvEntry.Changed> {
    const mine = this.machine.since(before + 1n) ?? []
    assert.strictEqual(mine.length, changed.length)
    mine.forEach(({ revision }, n) => this.revisions.set(revision, changed[n]?.revision ?? -1n))
    return mine.map(({ changes: [first, ...others], revision }) => ({
      revision: this.nameOf(revision),
      changes: [this.change(first), ...others.map((change) => this.change(change))]
    }))
  }
  private change(change: KvEntry.Change): KvEntry.Change {
    const entry = change._tag === "Put" ? this.entry(change.entry) : undefined
    return entry === undefined ? change : { _tag: "Put", entry }
  }
  lease(back: number): { readonly id: string; name: string } {
    return this.leases.at(-1 - back) ?? { id: "0", name: "0" }
  }
}

/** One order, in both languages: what to send, what the machine does, and how the answer reads. */
interface Step {
  readonly args: Script.Args
  readonly machine: (now: number) => () => unknown
  readonly read: (reply: Script.Reply) => unknown
}

const toStep = (twin: Twin, order: Order): Step => {
  const { machine } = twin
  switch (order._tag) {
    case "Commit": {
      const checks = order.checks.map(({ key, kind }) => {
        const at = machine.get(key)
        return { key, revision: (kind === "now" ? at?.revision : kind === "old" ? at?.created : undefined) ?? 0n }
      })
      const writes = [...new Map(order.writes.map((write) => [write.key, write])).values()]
      const toCommit = (called: "id" | "name", revisionOf: (revision: bigint) => bigint): KvBackend.Commit => ({
        checks: checks.map(({ key, revision }) => ({ key, revision: revisionOf(revision) })),
        writes: writes.map((write) => {
          if (write._tag === "Delete") return write
          const { key, lasts, lease, ttl, value } = write
          return {
            _tag: "Put",
            key,
            value: Uint8Array.of(value, 10, 0),
            lease: lasts === "lease" ? twin.lease(lease)[called] : undefined,
            ttl: lasts === "ttl" ? ttl : undefined
          }
        })
      })
      const own = toCommit("id", (revision) => revision)
      const sent = toCommit("name", (revision) => twin.nameOf(revision))
      const names = new Map(twin.leases.map(({ id, name }) => [id, name]))
      return {
        args: Script.commit(sent),
        read: (reply) => Script.outcomeOf(sent, reply),
        machine: (now) => {
          const outcome = machine.commit(now, own)
          return () => {
            switch (outcome._tag) {
              case "Committed":
                return { ...outcome, revision: twin.nameOf(outcome.revision) }
              case "Conflict":
                return { ...outcome, actual: twin.nameOf(outcome.actual) }
              case "Unleased":
                return { ...outcome, lease: names.get(outcome.lease) ?? "0" }
            }
          }
        }
      }
    }
    case "Grant": {
      const lease = { id: "", name: "" }
      return {
        args: Script.grant(order.ttl),
        read: (reply) => {
          lease.name = Script.textOf(reply)
          twin.leases.push(lease)
          return lease.name !== ""
        },
        machine: (now) => {
          Object.assign(lease, { id: machine.grant(now, order.ttl) })
          return () => true
        }
      }
    }
    case "Renew": {
      const { id, name } = twin.lease(order.lease)
      return {
        args: Script.renew([{ id: name, ttl: order.ttl }]),
        read: Script.renewedOf,
        machine: (now) => {
          const renewed = machine.renew(now, id, order.ttl)
          return () => [renewed]
        }
      }
    }
    case "Revoke": {
      const { id, name } = twin.lease(order.lease)
      return {
        args: Script.revoke(name),
        read: (reply) => reply,
        machine: (now) => {
          machine.revoke(now, id)
          return () => null
        }
      }
    }
    case "Get":
      return {
        args: Script.get(order.key),
        read: (reply) => Script.entryOf(order.key, reply),
        machine: () => {
          const entry = machine.get(order.key)
          return () => twin.entry(entry)
        }
      }
    case "Range": {
      const { limit, prefix } = order
      const after = order.after === "none" ? undefined : order.after
      return {
        args: Script.range(prefix, after, limit),
        read: Script.rangeOf,
        machine: () => {
          const found = machine.range(prefix, after, limit)
          return () => ({
            ...found,
            revision: twin.nameOf(found.revision),
            entries: found.entries.map((entry) => twin.entry(entry))
          })
        }
      }
    }
  }
}

layer(Fixture.layer)((it) => {
  it.effect.prop(
    "the script answers, keeps, tells and publishes what the machine does",
    { batches: Schema.Array(Batch).check(Schema.isMaxLength(30)) },
    ({ batches }) =>
      Effect.gen(function*() {
        const { published, redis } = yield* Fixture
        yield* Effect.promise(() => redis.flushall())
        let micros = 1_700_000_000_000_000
        const twin = new Twin(Script.revisionOf((yield* inScript([Script.now], micros)).answers[0]))
        for (const batch of batches) {
          micros += batch.pass * 1000
          const now = micros / 1000
          const before = twin.machine.revision
          const steps = batch.orders.map((order) => toStep(twin, order))
          const { answers, next } = yield* inScript(steps.map(({ args }) => args), micros)
          const told = yield* inScript([Script.since(everything, twin.seen + 1n, twin.seen)], micros)
          twin.machine.expire(now)
          const expected = steps.map(({ machine }) => machine(now))
          const found = Script.sinceOf(told.answers[0] ?? null)
          if (found._tag === "Gone") return assert.fail("the changes are gone")
          assert.deepStrictEqual(found.changed, twin.learn(before, found.changed))
          assert.deepStrictEqual(
            steps.map(({ read }, n) => read(answers[n] ?? null)),
            expected.map((tell) => tell())
          )
          assert.strictEqual(found.seen, twin.nameOf(twin.machine.revision))
          const keysOf = found.changed.flatMap(({ changes }) =>
            changes.map((change) => change._tag === "Put" ? change.entry.key : change.key)
          )
          assert.deepStrictEqual(
            (yield* published).map((message) => {
              const [was, is, , ...keys] = JSON.parse(message) as ReadonlyArray<string>
              return [was, is, keys.sort()]
            }),
            found.changed.length === 0 ? [] : [[String(twin.seen), String(found.seen), keysOf.sort()]]
          )
          twin.seen = found.seen
          assert.isTrue(next < 0 || now + next >= twin.machine.next)
        }
      }),
    { arbitrary: { runs: 500, size: 60 } }
  )
})
