import * as PgConnection from "@effect/sql-pg/PgConnection"
import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Job, type JobBackend, JobMachine } from "heddle/messaging"
import * as Ops from "../src/internal/jobOps.ts"
import { jobSql } from "../src/internal/jobSql.ts"
import { escape } from "../src/internal/kvOps.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const ids = ["a", "b", "c\u0000", "d", "e", "f"] as const

const Entry = Schema.Struct({
  id: Schema.Literals(ids),
  key: Schema.Literals(["", "", "k", "l\u0001"]),
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
    ends: Schema.Array(Schema.Struct({
      claim: back,
      kind: Schema.Literals(["Completed", "Completed", "Retry", "Dead", "HandedBack"]),
      delay: Schema.Literals([0, 500])
    })).check(Schema.isMinLength(1), Schema.isMaxLength(3))
  },
  Report: { claim: back },
  Cancel: { id: Schema.Literals(ids) },
  Redrive: { ids: Schema.UndefinedOr(Schema.Array(Schema.Literals(ids)).check(Schema.isMaxLength(2))) },
  Purge: { what: Schema.Literals(["waiting", "dead"]) },
  Pause: { pause: Schema.Literals([true, false, false]) }
})
type Order = typeof Order.Type
const Step = Schema.Struct({ pass: Schema.Literals([1, 1, 400, 25_000]), order: Order })

/** A server on which time passes when the test says so. */
class Fixture extends Context.Service<Fixture, {
  readonly call: (name: string, params: string, given: ReadonlyArray<unknown>, now: number) => Effect.Effect<
    ReadonlyArray<ReadonlyArray<unknown>>
  >
}>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.postgres
      const admin = yield* PgConnection.make({ url: Redacted.make(url) })
      yield* admin.query(jobSql("machine", "current_setting('heddle.now')::int8"), [], false)
      return {
        call: (name, params, given, now) =>
          Effect.orDie(Effect.andThen(
            admin.query("select set_config('heddle.now', $1, false)", [String(now * 1000)]),
            admin.queryValues(`select * from machine.job_${name}_1(${params})`, given)
          ))
      }
    })
  )
}

interface Claim {
  readonly mine: { readonly id: string; readonly token: number; readonly ttl: number }
  readonly token: bigint
}

const failure: Job.Failure = { cause: "for a reason\u0000", error: Uint8Array.of(1, 0, 2) }
const never: Claim = { mine: { id: "nobody", token: -1, ttl: 1000 }, token: -1n }

/** One queue, in the machine and on the server. */
class Twin {
  readonly machine = new JobMachine.JobMachine()
  readonly claims: Array<Claim> = []
  private readonly queue: string
  private readonly server: Fixture["Service"]["call"]
  now = 1_700_000_000_000
  constructor(queue: string, server: Fixture["Service"]["call"]) {
    this.queue = queue
    this.server = server
  }
  private claim(at: number): Claim {
    return this.claims.at(-1 - at) ?? never
  }
  private call(name: string, params: string, given: ReadonlyArray<unknown>) {
    return this.server(name, params, given, this.now)
  }
  private word(name: string, params: string, given: ReadonlyArray<unknown>) {
    return Effect.map(this.call(name, params, given), ([row = []]) => row[0])
  }
  private held({ mine: { id, ttl }, token }: Claim): JobBackend.Held {
    return { queue: this.queue, id, token, ttl }
  }

  readonly step = (order: Order): Effect.Effect<void> =>
    Effect.gen({ self: this }, function*() {
      const { machine, now, queue } = this
      switch (order._tag) {
        case "Enqueue": {
          const entries = order.entries.map((entry, at) => ({
            ...entry,
            key: entry.key === "" ? undefined : entry.key,
            headers: { at: String(at) },
            payload: Uint8Array.of(at, 0)
          }))
          const { blobs, words } = Ops.enqueueArgs(queue, entries)
          const told = String(yield* this.word("enqueue", "$1, $2", [words, blobs]))
          assert.deepStrictEqual(Array.from(told, (letter) => letter === "1"), [...machine.enqueue(now, entries)])
          return
        }
        case "Claim": {
          const { max, ttl } = order
          const rows = yield* this.call("claim", "$1, $2, $3::text::int8, $4", [queue, max, String(ttl * 1000), "me"])
          const { jobs, next } = Ops.takenOf(rows, { queue, max, ttl, owner: "me", wait: false }, 0)
          const mine = machine.claim(now, max, ttl, "me")
          const shown = (
            { age, attempt, headers, id, key, maxAttempts, payload }: (typeof mine)[number] | Job.Claimed
          ) => ({
            age,
            attempt,
            headers,
            id,
            key,
            maxAttempts,
            payload: [...payload]
          })
          assert.deepStrictEqual(jobs.map(shown), mine.map(shown))
          jobs.forEach(({ id, token }, at) => {
            const before = this.claims.filter(({ mine }) => mine.id === id)
            for (const claim of before) assert.isAbove(Number(token), Number(claim.token))
            this.claims.push({ mine: { id, token: mine[at]?.token ?? -1, ttl }, token })
          })
          if (next !== Infinity) assert.isAbove(next, 0)
          return
        }
        case "Extend": {
          const claim = this.claim(order.claim)
          const { id, queue, token, ttl } = this.held(claim)
          const rows = yield* this.call("extend", "$1, $2, $3::text[]::int8[], $4::text[]::int8[]", [
            [queue],
            [escape(id)],
            [String(token)],
            [String(ttl * 1000)]
          ])
          assert.strictEqual(rows.length === 1, machine.extend(now, claim.mine.id, claim.mine.token, ttl))
          return
        }
        case "Settle": {
          const all = order.ends.map(({ claim, delay, kind }) => {
            const settlement: JobBackend.Settlement = kind === "Completed"
              ? { _tag: kind, result: Uint8Array.of(7) }
              : kind === "HandedBack"
              ? { _tag: kind }
              : kind === "Dead"
              ? { _tag: kind, failure }
              : { _tag: kind, delay, failure }
            return { claim: this.claim(claim), settlement }
          }).filter(({ claim }, at, all) => all.findIndex((other) => other.claim === claim) === at)
          const args = all.map(({ claim, settlement }) => Ops.settleArgs(this.held(claim), settlement))
          const told = String(
            yield* this.word("settle", "$1, $2", [
              args.flatMap(({ words }) => words),
              args.flatMap(({ blobs }) => blobs)
            ])
          )
          const mine = all.map(({ claim: { mine: { id, token } }, settlement }) =>
            machine.settle(now, id, token, settlement)
          )
          assert.deepStrictEqual(Array.from(told, Ops.settledOf), mine)
          return
        }
        case "Report": {
          const claim = this.claim(order.claim)
          const { id, queue, token } = this.held(claim)
          const told = yield* this.word("report", "$1, $2, $3::text::int8, $4", [
            queue,
            escape(id),
            String(token),
            Uint8Array.of(5)
          ])
          assert.strictEqual(told, machine.report(now, claim.mine.id, claim.mine.token, Uint8Array.of(5)))
          return
        }
        case "Cancel": {
          const token = Number(
            yield* this.word("cancel", "$1, $2", [queue, escape(order.id)])
          )
          const mine = machine.cancel(now, order.id)
          assert.strictEqual(token < 0, mine === undefined)
          assert.strictEqual(token > 0, (mine ?? 0) > 0)
          return
        }
        case "Redrive": {
          const given = order.ids?.map((id) => escape(id)) ?? null
          assert.strictEqual(
            Number(yield* this.word("redrive", "$1, $2::text[]", [queue, given])),
            machine.redrive(now, order.ids)
          )
          return
        }
        case "Purge":
          assert.strictEqual(
            Number(yield* this.word("purge", "$1, $2", [queue, order.what])),
            machine.purge(now, order.what)
          )
          return
        case "Pause":
          yield* this.call("pause", "$1, $2", [queue, order.pause])
          machine.paused = order.pause
      }
    })

  /** Everything that can be seen, on both sides. */
  readonly compare = Effect.gen({ self: this }, function*() {
    const { machine, now, queue } = this
    const [stats = []] = yield* this.call("stats", "$1", [queue])
    const { claimed, dead, delayed, paused, waiting } = machine.stats(now)
    assert.deepStrictEqual(stats.map((value) => typeof value === "bigint" ? Number(value) : value), [
      waiting,
      delayed,
      claimed,
      dead,
      paused
    ])
    const letters = (yield* this.call("dead", "$1, $2", [queue, 100])).map(Ops.letterOf)
    assert.deepStrictEqual(letters, [...machine.deadLetters(now, 100)])
    for (const id of ids) {
      const name = escape(id)
      const [row] = yield* this.call("inspect", "$1, $2", [queue, name])
      assert.deepStrictEqual(row === undefined ? undefined : Ops.infoOf(row), machine.inspect(now, id))
    }
  })
}

let queues = 0

layer(Fixture.layer)("the functions of jobs on PostgreSQL", (it) => {
  it.effect.prop(
    "answer and keep what the machine does",
    [Schema.Array(Step).check(Schema.isMaxLength(14))],
    ([steps]) =>
      Effect.gen(function*() {
        const { call } = yield* Fixture
        const twin = new Twin(`q${++queues}`, call)
        // Something is claimed, so that most orders find what they are about.
        const entry = { key: "", priority: 0, delay: 0, maxAttempts: 2, keep: 0 } as const
        const entries = [{ ...entry, id: "a" }, { ...entry, id: "b", key: "k" }, {
          ...entry,
          id: "d",
          key: "k"
        }] as const
        yield* twin.step({ _tag: "Enqueue", entries })
        yield* twin.step({ _tag: "Claim", max: 3, ttl: 20_000 })
        for (const { order, pass } of steps) {
          twin.now += pass
          yield* twin.step(order)
          yield* twin.compare
        }
      }),
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )
})
