import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { KvMachine } from "heddle/coordination"
import type { KvBackend, KvEntry } from "heddle/coordination"
import { Etcd } from "../src/index.ts"
import { kvSteps } from "../src/internal/kvSteps.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

// In the order of neither their bytes nor JavaScript's characters.
const keys = Schema.Literals(["b", "\uFFFD", "a", "\u{1F600}", "a\u0000", "b/"])
/** Which of the leases granted so far, counted from the last; there may be none. */
const leases = int(0, 3)

const Write = Schema.TaggedUnion({
  Put: {
    key: keys,
    value: int(0, 255),
    lasts: Schema.Literals(["ever", "ever", "lease", "ttl"]),
    lease: leases
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
  Grant: {},
  Renew: { lease: leases },
  Revoke: { lease: leases },
  Get: { key: keys },
  Range: {
    prefix: Schema.Literals(["", "a", "b"]),
    after: Schema.Literals(["none", "a", "b", "\uFFFD"]),
    limit: int(1, 6)
  }
})
type Order = typeof Order.Type

/** Nothing ends by itself while the test runs. */
const hour = 3_600_000
const all = { key: "", prefix: true }

class Fixture extends Context.Service<Fixture, Etcd.Etcd["Service"]>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.etcd
      return Context.get(yield* Layer.build(Etcd.layer({ url })), Etcd.Etcd)
    })
  )
}

/** The machine, and what its revisions and leases are called in etcd. */
class Twin {
  readonly machine = new KvMachine.KvMachine(10_000)
  private readonly revisions = new Map([[0n, 0n]])
  private readonly granted: Array<{ readonly id: string; readonly name: string }> = []
  constructor(revision: bigint) {
    // 0 stands for the revision of a key that is absent.
    this.machine.revision = 1n
    this.revisions.set(1n, revision)
  }
  /** The machine's last revision is etcd's. Each has one name, and each name one revision. */
  learn(revision: bigint): void {
    const last = this.machine.revision
    if (this.revisions.has(last)) assert.strictEqual(revision, this.nameOf(last))
    else assert.isTrue(revision > this.nameOf(last - 1n))
    this.revisions.set(last, revision)
  }
  nameOf(revision: bigint): bigint {
    return this.revisions.get(revision) ?? -1n
  }
  grant(name: string): void {
    this.granted.push({ id: this.machine.grant(0, hour), name })
  }
  lease(back: number): { readonly id: string; readonly name: string } {
    return this.granted.at(-1 - back) ?? { id: "0", name: "1" }
  }
  entry(entry: KvEntry.Entry): KvEntry.Entry {
    return { ...entry, revision: this.nameOf(entry.revision), created: this.nameOf(entry.created) }
  }
  /** All that happened, as etcd should tell it. */
  history(): ReadonlyArray<KvEntry.Changed> {
    const change = (change: KvEntry.Change): KvEntry.Change =>
      change._tag === "Put" ? { _tag: "Put", entry: this.entry(change.entry) } : change
    return (this.machine.since(2n) ?? []).map(({ changes: [first, ...others], revision }) => ({
      revision: this.nameOf(revision),
      changes: [change(first), ...others.map(change)]
    }))
  }
  commit({ checks, writes }: Order & { readonly _tag: "Commit" }) {
    const { machine } = this
    const asked = checks.map(({ key, kind }) => {
      const at = machine.get(key)
      return { key, revision: (kind === "now" ? at?.revision : kind === "old" ? at?.created : undefined) ?? 0n }
    })
    const distinct = [...new Map(writes.map((write) => [write.key, write])).values()]
    const as = (called: "id" | "name", revisionOf: (revision: bigint) => bigint): KvBackend.Commit => ({
      checks: asked.map(({ key, revision }) => ({ key, revision: revisionOf(revision) })),
      writes: distinct.map((write) => {
        if (write._tag === "Delete") return write
        const { key, lasts, lease, value } = write
        return {
          _tag: "Put",
          key,
          value: Uint8Array.of(value, 10, 0),
          lease: lasts === "lease" ? this.lease(lease)[called] : undefined,
          ttl: lasts === "ttl" ? hour + value : undefined
        }
      })
    })
    return { own: as("id", (revision) => revision), sent: as("name", (revision) => this.nameOf(revision)) }
  }
}

const carryOut = Effect.fnUntraced(function*(twin: Twin, steps: KvBackend.Steps, order: Order) {
  const { machine } = twin
  switch (order._tag) {
    case "Commit": {
      const { own, sent } = twin.commit(order)
      const done = yield* steps.commit(sent)
      const expected = machine.commit(0, own)
      if (expected._tag === "Unleased") {
        return assert.isTrue(
          done._tag === "Unleased" && sent.writes.some((it) => "lease" in it && it.lease === done.lease)
        )
      }
      if (done._tag === "Committed") twin.learn(done.revision)
      return assert.deepStrictEqual(
        done,
        expected._tag === "Committed"
          ? { ...expected, revision: twin.nameOf(expected.revision) }
          : { ...expected, actual: twin.nameOf(expected.actual) }
      )
    }
    case "Grant":
      return twin.grant((yield* steps.grant(hour)).id)
    case "Renew": {
      const { id, name } = twin.lease(order.lease)
      const [until] = yield* steps.renew([{ id: name, ttl: hour }])
      return assert.strictEqual(until !== undefined, machine.renew(0, id, hour))
    }
    case "Revoke": {
      const { id, name } = twin.lease(order.lease)
      yield* steps.revoke(name)
      machine.revoke(0, id)
      return twin.learn((yield* steps.range("", undefined, 1)).revision)
    }
    case "Get": {
      const expected = machine.get(order.key)
      return assert.deepStrictEqual(yield* steps.get(order.key), expected && twin.entry(expected))
    }
    case "Range": {
      const { limit, prefix } = order
      const after = order.after === "none" ? undefined : order.after
      const { entries, more, revision } = machine.range(prefix, after, limit)
      return assert.deepStrictEqual(yield* steps.range(prefix, after, limit), {
        entries: entries.map((entry) => twin.entry(entry)),
        revision: twin.nameOf(revision),
        more
      })
    }
  }
})

let programs = 0

layer(Fixture.layer)((it) => {
  it.effect.prop(
    "etcd answers, keeps and tells what the machine does",
    { orders: Schema.Array(Order).check(Schema.isMaxLength(40)) },
    ({ orders }) =>
      Effect.gen(function*() {
        const etcd = yield* Fixture
        const steps = kvSteps(etcd, `program-${++programs}`, () => 0, Effect.runFork)
        const { revision } = yield* steps.range("", undefined, 1)
        const twin = new Twin(revision)
        for (const order of orders) yield* carryOut(twin, steps, order)
        const expected = twin.history()
        const told = Stream.take(steps.watch(all, revision + 1n), expected.length)
        assert.deepStrictEqual(yield* Stream.runCollect(told), expected)
      }),
    { arbitrary: { runs: 100, size: 60 } }
  )
})
