import * as PgConnection from "@effect/sql-pg/PgConnection"
import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { KvMachine } from "heddle/coordination"
import type { KvBackend, KvEntry, KvWatches } from "heddle/coordination"
import * as Ops from "../src/internal/kvOps.ts"
import { kvSql, kvTables } from "../src/internal/kvSql.ts"
import { kvChannel } from "../src/internal/kvStepSql.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

// Of as many bytes as a key may have, nearly.
const long = "\uFFFD".repeat(1020)
// In the order of neither their bytes nor JavaScript's characters.
const keys = Schema.Literals(["b", long, "a", "\u{1F600}", "a\u0000", "a\u0001\u0000", `${long}b`, "b/"])
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
    prefix: Schema.Literals(["", "a", "b", "\uFFFD", long]),
    after: Schema.Literals(["none", "a", "a\u0000", "b", long]),
    limit: int(1, 6)
  }
})
type Order = typeof Order.Type
// The orders of one batch are carried out at one instant.
const Batch = Schema.Struct({
  pass: Schema.Literals([0.001, 0.001, 1, 30_000, 90_000]),
  orders: Schema.Array(Order).check(Schema.isMinLength(1), Schema.isMaxLength(5))
})

const everything = { key: "", prefix: true }

/** A server on which time passes when the test says so, and what it notifies. */
class Fixture extends Context.Service<Fixture, {
  readonly admin: PgConnection.PgConnection
  /** Carries operations out in one call. */
  readonly call: (ops: ReadonlyArray<Ops.Args>, micros: number) => Effect.Effect<ReturnType<typeof Ops.decode>>
  /** What was notified since the last look: so many are waited for, and what else has come is there as well. */
  readonly notified: (many: number) => Effect.Effect<ReadonlyArray<KvWatches.Word>>
}>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.postgres
      const connect = PgConnection.make({ url: Redacted.make(url) })
      const admin = yield* connect
      yield* admin.query(kvSql("machine", "current_setting('heddle.now')::int8"), [], false)
      const listener = yield* Effect.flatMap(connect, (connection) => connection.pin)
      const heard = yield* listener.listen(kvChannel("machine"))
      return {
        admin,
        call: (ops, micros) =>
          Effect.orDie(Effect.gen(function*() {
            yield* admin.query("select set_config('heddle.now', $1, false)", [String(micros)])
            const params = [10_000, 1000, ...Ops.encode(ops.map((args) => ({ args })))]
            const rows = yield* admin.queryValues("select * from machine.kv_step_1($1, $2, $3, $4, $5)", params)
            return Ops.decode(rows, ops.length)
          })),
        notified: (many) =>
          Effect.orDie(Effect.gen(function*() {
            yield* listener.query("select 1")
            const first = yield* Effect.timeout(Effect.replicateEffect(Queue.take(heard), many), "30 seconds")
            return [...first, ...yield* Queue.clear(heard)].map(({ payload }) => Ops.wordOf(payload))
          }))
      }
    })
  )
}

/** The machine, and what its revisions and leases are called on the server. */
class Twin {
  readonly machine = new KvMachine.KvMachine(10_000)
  private readonly revisions = new Map([[0n, 0n]])
  readonly leases: Array<{ readonly id: string; name: string }> = []
  /** Up to where the server was read. */
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
  /** Learns what the server called the machine's last revisions. */
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

/** One order, on both sides: what to send, what the machine does, and how the answer reads. */
interface Step {
  readonly args: Ops.Args
  readonly machine: (now: number) => () => unknown
  readonly read: (reply: Ops.Reply) => unknown
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
        args: Ops.commit(sent),
        read: (reply) => Ops.outcomeOf(sent)(reply),
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
        args: Ops.grant(order.ttl),
        read: (reply) => {
          lease.name = Ops.leaseIdOf(reply)
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
        args: Ops.renew([{ id: name, ttl: order.ttl }]),
        read: Ops.renewedOf,
        machine: (now) => {
          const renewed = machine.renew(now, id, order.ttl)
          return () => [renewed]
        }
      }
    }
    case "Revoke": {
      const { id, name } = twin.lease(order.lease)
      return {
        args: Ops.revoke(name),
        read: (reply) => reply.length,
        machine: (now) => {
          machine.revoke(now, id)
          return () => 0
        }
      }
    }
    case "Get":
      return {
        args: Ops.get(order.key),
        read: (reply) => Ops.entryOf(reply),
        machine: () => {
          const entry = machine.get(order.key)
          return () => twin.entry(entry)
        }
      }
    case "Range": {
      const { limit, prefix } = order
      const after = order.after === "none" ? undefined : order.after
      return {
        args: Ops.range(prefix, after, limit),
        read: Ops.rangeOf(limit),
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
  it.effect("the number of a lease that was revoked does not come again, a microsecond later", () =>
    Effect.gen(function*() {
      const { call } = yield* Fixture
      const start = 1_600_000_000_000_000
      const first = yield* call([Ops.grant(1000), Ops.grant(1000)], start)
      const revoked = Ops.leaseIdOf(first.replies[1] ?? [])
      const second = yield* call([Ops.revoke(revoked), Ops.grant(1000)], start + 1)
      assert.notStrictEqual(Ops.leaseIdOf(second.replies[1] ?? []), revoked)
    }))

  it.effect.prop(
    "the server answers, keeps, tells and notifies what the machine does",
    { batches: Schema.Array(Batch).check(Schema.isMaxLength(30)) },
    ({ batches }) =>
      Effect.gen(function*() {
        const { admin, call, notified } = yield* Fixture
        yield* admin.query(`truncate ${kvTables.map((table) => `machine.${table}`).join(", ")}`)
        yield* notified(0)
        let micros = 1_700_000_000_000_000
        const twin = new Twin(Ops.revisionOf((yield* call([Ops.now], micros)).replies[0] ?? []))
        for (const batch of batches) {
          micros += batch.pass * 1000
          const now = micros / 1000
          const before = twin.machine.revision
          const steps = batch.orders.map((order) => toStep(twin, order))
          const { next, replies } = yield* call(steps.map(({ args }) => args), micros)
          const told = yield* call([Ops.since(everything, twin.seen + 1n, twin.seen)], micros)
          twin.machine.expire(now)
          const expected = steps.map(({ machine }) => machine(now))
          const found = Ops.sinceOf(told.replies[0] ?? [])
          if (found._tag === "Gone") return assert.fail("the changes are gone")
          assert.deepStrictEqual(found.changed, twin.learn(before, found.changed))
          assert.deepStrictEqual(
            steps.map(({ read }, n) => read(replies[n] ?? [])),
            expected.map((tell) => tell())
          )
          assert.strictEqual(found.seen, twin.nameOf(twin.machine.revision))
          const keysOf = found.changed.flatMap(({ changes }) =>
            changes.map((change) => change._tag === "Put" ? change.entry.key : change.key)
          )
          const payload = keysOf.reduce((sum, key) => sum + Buffer.byteLength(key), 0)
          assert.deepStrictEqual(
            (yield* notified(found.changed.length === 0 ? 0 : 1)).map((
              { before: was, keys, revision }
            ) => [was, revision, keys.toSorted()]),
            found.changed.length === 0 ? [] : [[twin.seen, found.seen, payload > 7500 ? [] : keysOf.sort()]]
          )
          twin.seen = found.seen
          assert.isTrue(next < 0 || now + next >= twin.machine.next)
        }
      }),
    { arbitrary: { runs: 100, size: 60 }, timeout: 120_000 }
  )
})
