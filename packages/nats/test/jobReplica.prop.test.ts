import { assert, it } from "@effect/vitest"
import { JobTwin } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { JobMachine } from "heddle/messaging"
import { type Answer, decodeState, encodeOrders, encodeState, eventsOf, type Order } from "../src/internal/jobOrders.ts"
import { JobReplica, nameOf } from "../src/internal/jobReplica.ts"
import { portionsOf } from "../src/internal/jobStreams.ts"

/** A log that three read: one from the beginning, one that is built of a state now and then, one that is always built anew. */
class Log {
  private seq = 0
  private count = 0
  private readers = [new JobReplica(), new JobReplica(), new JobReplica()] as const

  readonly order = (now: number, orders: ReadonlyArray<Order>): ReadonlyArray<Answer> => {
    const stamp = String(BigInt(now) * 1_000_000n)
    const bytes = encodeOrders(orders)
    const portions = portionsOf(bytes, this.count % 3 === 0 ? Math.ceil(bytes.length / 2) : bytes.length)
    const count = ++this.count
    let answers: ReadonlyArray<Answer> = []
    portions.forEach((data, part) => {
      const name = nameOf({ client: "me", count, part, parts: portions.length })
      const message = { seq: ++this.seq, stamp, name, data }
      const told = this.readers.map((reader) => {
        assert.strictEqual(reader.place(message), "behind")
        const took = reader.take(message)
        assert.strictEqual(reader.place(message), "last")
        return took === undefined ? assert.fail("it cannot be read") : Option.map(took, ({ answers }) => answers)
      })
      assert.deepStrictEqual(told, told.map(() => told[0]))
      if (told[0] !== undefined && Option.isSome(told[0])) answers = told[0].value
    })
    const [first, second, third] = this.readers
    this.readers = [first, count % 5 === 0 ? rebuilt(first) : second, rebuilt(third)]
    return answers
  }

  readonly see = <A>(now: number, look: (machine: JobMachine.JobMachine) => A): A => {
    this.order(now, [{ _tag: "Look" }])
    const [seen, ...others] = this.readers.map(({ machine }) => look(machine))
    for (const other of others) assert.deepStrictEqual(other, seen)
    return seen ?? assert.fail("nobody reads")
  }
}

const rebuilt = (replica: JobReplica): JobReplica => {
  const { seq, stamp } = replica
  const state = replica.state() ?? assert.fail("a message is half read")
  return JobReplica.of(seq, stamp, Effect.runSync(Effect.flatMap(encodeState(state), decodeState)))
}

const subjectOf = ({ order, see }: Log): JobTwin.Subject => {
  const one = (now: number, what: Order): Answer => order(now, [what])[0] ?? assert.fail("no answer")
  return {
    enqueue: (now, entries) => Effect.sync(() => one(now, { _tag: "Enqueue", entries }).flags ?? []),
    claim: (now, claim) =>
      Effect.sync(() =>
        Array.from(one(now, { _tag: "Claim", ...claim }).granted ?? [], (job) => ({ ...job, token: BigInt(job.token) }))
      ),
    extend: (now, { id, token, ttl }) =>
      Effect.sync(() => one(now, { _tag: "Extend", claims: [{ id, token: Number(token), ttl }] }).flags?.[0] === true),
    settle: (now, ends) =>
      Effect.sync(() =>
        order(
          now,
          ends.map(({ held: { id, token }, settlement }) => ({ _tag: "Settle", id, token: Number(token), settlement }))
        ).map(({ settled = "Lost" }) => settled)
      ),
    report: (now, { id, token }, value) =>
      Effect.sync(() => one(now, { _tag: "Report", id, token: Number(token), value }).flags?.[0] === true),
    cancel: (now, id) =>
      Effect.sync(() => {
        const { cancelled } = one(now, { _tag: "Cancel", id })
        return cancelled === undefined ? "none" : cancelled > 0 ? "claimed" : "waiting"
      }),
    redrive: (now, ids) => Effect.sync(() => one(now, { _tag: "Redrive", ids }).count ?? 0),
    purge: (now, what) => Effect.sync(() => one(now, { _tag: "Purge", what }).count ?? 0),
    pause: (now, paused) => Effect.sync(() => one(now, { _tag: "Pause", paused })),
    look: (now, ids) =>
      Effect.sync(() =>
        see(now, (machine) => ({
          stats: machine.stats(now),
          letters: machine.deadLetters(now, 100),
          infos: ids.map((id) => machine.inspect(now, id)),
          events: ids.map((id) => eventsOf(machine, now, id).at(-1))
        }))
      )
  }
}

it.effect.prop(
  "all who read a log answer as the machine does, also those built of a state that was kept",
  { batches: JobTwin.Batches },
  ({ batches }) => JobTwin.compare(subjectOf(new Log()), batches),
  { arbitrary: { runs: 200, size: 60 }, timeout: 120_000 }
)

it("time does not go back where the server's clock does, and a message of another time is not the one that was read", () => {
  const replica = new JobReplica()
  const name = (count: number) => nameOf({ client: "me", count, part: 0, parts: 1 })
  const data = encodeOrders([{ _tag: "Look" }])
  replica.take({ seq: 1, stamp: "2000000000", name: name(1), data })
  replica.take({ seq: 2, stamp: "1000000000", name: name(2), data })
  assert.strictEqual(replica.now, 2000)
  assert.strictEqual(replica.place({ seq: 2, stamp: "1000000000" }), "last")
  assert.strictEqual(replica.place({ seq: 2, stamp: "1000000001" }), "elsewhere")
  assert.strictEqual(replica.place({ seq: 4, stamp: "3000000000" }), "elsewhere")
})

it("a state of many jobs is written and read in pieces, and is the same", async () => {
  const replica = new JobReplica()
  const entry = { headers: {}, key: "k", priority: 0, delay: 0, maxAttempts: 1, keep: 0, payload: Uint8Array.of(1) }
  const entries = Array.from({ length: 2500 }, (_, at) => ({ ...entry, id: String(at) }))
  const name = nameOf({ client: "me", count: 1, part: 0, parts: 1 })
  replica.take({ seq: 1, stamp: "2000000000", name, data: encodeOrders([{ _tag: "Enqueue", entries }]) })
  const state = replica.state() ?? assert.fail("a message is half read")
  const read = await Effect.runPromise(Effect.flatMap(encodeState(state), decodeState))
  assert.deepStrictEqual(read.jobs.map(({ id, seq }) => [id, seq]), state.jobs.map(({ id, seq }) => [id, seq]))
  assert.deepStrictEqual([read.now, read.tokens, read.paused], [state.now, state.tokens, state.paused])
})
