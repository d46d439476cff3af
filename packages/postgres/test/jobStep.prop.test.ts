import * as PgConnection from "@effect/sql-pg/PgConnection"
import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { JobTwin } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ops from "../src/internal/jobOps.ts"
import { jobSql } from "../src/internal/jobSql.ts"
import { escape } from "../src/internal/kvOps.ts"

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

/** One queue on the server. */
const subjectOf = (call: Fixture["Service"]["call"], queue: string): JobTwin.Subject => {
  const word = (now: number, name: string, params: string, given: ReadonlyArray<unknown>) =>
    Effect.map(call(name, params, given, now), ([row = []]) => row[0])
  // Of whatever claim was last: with one step after another, it may hide nothing.
  let from = Ops.noMark
  return {
    enqueue: (now, entries) =>
      Effect.map(
        word(now, "enqueue", "$1, $2", Ops.enqueueArgs([{ queue, entries }])),
        (told) => Array.from(String(told), (letter) => letter === "1")
      ),
    claim: (now, { max, owner, ttl }) =>
      Effect.map(
        Effect.suspend(() => {
          const given = [queue, max, String(ttl * 1000), owner, from]
          return call("claim", "$1, $2, $3::text::int8, $4, $5::text::int8[]", given, now)
        }),
        (rows) => {
          const { jobs, mark, next } = Ops.takenOf(rows, { queue, max, ttl, owner, wait: false }, 0)
          if (next !== Infinity) assert.isAbove(next, 0)
          from = mark
          return jobs
        }
      ),
    extend: (now, { id, token, ttl }) =>
      Effect.map(
        call("extend", "$1, $2, $3::text[]::int8[], $4::text[]::int8[]", [
          [queue],
          [escape(id)],
          [String(token)],
          [String(ttl * 1000)]
        ], now),
        ({ length }) => length === 1
      ),
    settle: (now, ends) => {
      const args = Ops.settleArgs(ends.map(({ held, settlement }) => ({ held: { ...held, queue }, settlement })))
      return Effect.map(
        word(now, "settle", "$1, $2", args),
        (told) => Array.from(String(told), Ops.settledOf)
      )
    },
    report: (now, { id, token }, value) =>
      Effect.map(
        word(now, "report", "$1, $2, $3::text::int8, $4", [queue, escape(id), String(token), value]),
        (told) => told === true
      ),
    cancel: (now, id) =>
      Effect.map(word(now, "cancel", "$1, $2", [queue, escape(id)]), (token) => {
        const number = Number(token)
        return number < 0 ? "none" : number > 0 ? "claimed" : "waiting"
      }),
    redrive: (now, ids) =>
      Effect.map(word(now, "redrive", "$1, $2::text[]", [queue, ids?.map((id) => escape(id)) ?? null]), Number),
    purge: (now, what) => Effect.map(word(now, "purge", "$1, $2", [queue, what]), Number),
    pause: (now, paused) => call("pause", "$1, $2", [queue, paused], now),
    look: (now, ids) =>
      Effect.gen(function*() {
        const [counts = []] = yield* call("stats", "$1", [queue], now)
        const [waiting = 0, delayed = 0, claimed = 0, dead = 0] = counts.map(Number)
        const infos = yield* Effect.forEach(ids, (id) => call("inspect", "$1, $2", [queue, escape(id)], now))
        return {
          stats: { waiting, delayed, claimed, dead, paused: counts[4] === true },
          letters: (yield* call("dead", "$1, $2", [queue, 100], now)).map(Ops.letterOf),
          infos: infos.map(([row]) => row === undefined ? undefined : Ops.infoOf(row))
        }
      })
  }
}

let queues = 0

layer(Fixture.layer)("the functions of jobs on PostgreSQL", (it) => {
  it.effect.prop(
    "answer and keep what the machine does",
    { batches: JobTwin.Batches },
    ({ batches }) =>
      Effect.gen(function*() {
        const { call } = yield* Fixture
        yield* JobTwin.compare(subjectOf(call, `q${++queues}`), batches)
      }),
    { arbitrary: { runs: 150 }, timeout: 120_000 }
  )
})
