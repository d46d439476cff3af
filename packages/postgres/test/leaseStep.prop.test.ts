import * as PgConnection from "@effect/sql-pg/PgConnection"
import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { LeaseMachine } from "heddle/coordination"
import * as Ops from "../src/internal/leaseOps.ts"
import { leaseSql, tables } from "../src/internal/leaseSql.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const seconds = int(1, 180)

const ids = int(0, 3)
const Order = Schema.TaggedUnion({
  Claim: {
    id: ids,
    limit: Schema.Literals([2, 2, 2, 3]),
    permits: int(1, 2),
    tokens: Schema.Literals([1, 1, 2, 1000]),
    ttl: seconds,
    wait: Schema.Literals([true, true, true, false]),
    owner: Schema.Literals(["default", "another"])
  },
  Renew: { id: ids, ttl: seconds },
  Release: { id: ids, remember: Schema.Literals([0, 0, 100]) },
  Update: {
    id: ids,
    value: Schema.optionalKey(Schema.Literals(["", "nëw \"value\"\n\0\\"])),
    permits: Schema.optionalKey(Schema.Literal(1))
  },
  Resize: { limit: Schema.Literals([1, 2, 2, 3, 4]) }
})
type Order = typeof Order.Type
// The orders of one batch are carried out at one instant, by one session, and may be for several resources.
const Batch = Schema.Struct({
  session: ids,
  patience: seconds,
  pass: Schema.Literals([0.005, 1, 30, 90]),
  orders: Schema.Array(Schema.Struct({ resource: Schema.Literals([0, 0, 0, 1, 2, 2]), order: Order })).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(4)
  )
})
type Batch = typeof Batch.Type

/** The claims on resource 2 are those of a lock, which are carried out in a shorter way while it is free. */
const plain = { owner: "default", value: "", permits: 1, limit: 1, tokens: 1 }

const toCommand = (batch: Batch, { order, resource }: Batch["orders"][number]): LeaseMachine.Command => {
  const id = order._tag === "Resize" ? "" : `id${order.id}`
  switch (order._tag) {
    case "Claim": {
      const { limit, owner, permits, tokens, wait } = order
      const timing = { ttl: order.ttl * 1000, patience: batch.patience * 1000 }
      const asked = resource === 2 ? plain : { owner, value: "v", permits, limit, tokens }
      return { _tag: "Claim", id, session: `s${batch.session}`, wait, ...timing, ...asked }
    }
    case "Renew":
      return { _tag: "Renew", id, ttl: order.ttl * 1000 }
    case "Release":
      return { _tag: "Release", id, remember: order.remember * 1000 }
    case "Update":
      return { _tag: "Update", id, value: order.value, permits: order.permits }
    case "Resize":
      return order
  }
}

/** A renewal names the token of the grant that it means: `token`. */
const toArgs = (command: LeaseMachine.Command, token: bigint): Ops.Args => {
  const blank = { resource: "", owner: "", value: "", permits: 1, limit: 1, tokens: 1, ttl: 0, wait: true }
  switch (command._tag) {
    case "Claim":
      return Ops.claim({ ...blank, ...command }, "default")
    case "Renew":
      return Ops.renew({ ...blank, ...command }, token)
    case "Release":
      return Ops.release({ ...blank, ...command }, command.remember)
    case "Update":
      return Ops.update({ ...blank, id: command.id }, command)
    case "Resize":
      return Ops.resize(command.limit)
  }
}

/** `floor`: the least token that may be granted next. */
const toLine = (reply: LeaseMachine.Reply, floor: number): string => {
  switch (reply._tag) {
    case "Granted":
      return `G${reply.token} ${reply.ttl.toFixed(3)}`
    case "Queued":
      return `Q${reply.next.toFixed(3)} ${floor}`
    case "Mismatch":
      return `M${reply.limit}`
    case "Busy":
      return "B"
    case "Gone":
      return "X"
    case "Done":
      return "D"
    case "Lost":
      return "L"
  }
}

/** The ttl of a grant is left out where it is the one asked for; after how long a rest can be swept up is beside the point. */
const complete = (line: string, command: LeaseMachine.Command): string =>
  command._tag === "Claim" && /^G\d+$/.test(line) ? `${line} ${command.ttl.toFixed(3)}` : line.replace(/^D\d+$/, "D")

const lookAt = (state: LeaseMachine.State | undefined, now: number) => {
  const holders = (state?.holders ?? []).filter((holder) => holder.until > now)
  const waiters = (state?.queue ?? []).filter((waiter) => waiter.until > now)
  const shown = holders.length + waiters.length > 0 || state?.limit !== state?.named
  return {
    limit: shown ? state?.limit : undefined,
    holders: holders.map((holder) => ({
      id: holder.id,
      owner: holder.owner,
      value: holder.value,
      permits: holder.permits,
      token: BigInt(holder.token),
      age: Number((now - holder.since).toFixed(3))
    })),
    waiters: waiters.map((waiter) => ({
      id: waiter.id,
      owner: waiter.owner,
      permits: waiter.permits,
      age: Number((now - waiter.since).toFixed(3))
    }))
  }
}

const statement = "select machine.lease_step_1($1, 'default', $2, $3, $4, $5, $6, $7, $8)"

/** A server on which time passes when the test says so, and what it notifies. */
class Fixture extends Context.Service<Fixture, {
  readonly admin: PgConnection.PgConnection
  readonly call: (
    session: string,
    patience: number,
    ops: ReadonlyArray<{ readonly key: string; readonly args: Ops.Args }>,
    micros: number
  ) => Effect.Effect<ReadonlyArray<string>>
  readonly notified: Effect.Effect<ReadonlyArray<string>>
}>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.postgres
      const connect = PgConnection.make({ url: Redacted.make(url) })
      const admin = yield* connect
      yield* admin.query(leaseSql("machine", "current_setting('heddle.now')::int8"), [], false)
      const listener = yield* Effect.flatMap(connect, (connection) => connection.pin)
      const heard = yield* Effect.forEach(
        ["s0", "s1", "s2", "s3"],
        (session) => Effect.map(listener.listen(`heddle_lease_${session}`), (queue) => [session, queue] as const)
      )
      return {
        admin,
        call: (session, patience, ops, micros) =>
          Effect.orDie(Effect.gen(function*() {
            yield* admin.query("select set_config('heddle.now', $1, false)", [String(micros)])
            const params = [session, BigInt(patience * 1000), ...Ops.encode(ops)]
            const [row] = yield* admin.queryValues(statement, params)
            return String(row?.[0]).slice(0, -1).split("\n")
          })),
        // Notifications come before the answer to a later question.
        notified: Effect.orDie(Effect.andThen(
          listener.query("select 1"),
          Effect.map(
            Effect.forEach(
              heard,
              ([session, queue]) =>
                Effect.map(Queue.clear(queue), (all) => all.map(({ payload }) => `${session} ${payload.slice(1)}`))
            ),
            (all) => all.flat()
          )
        ))
      }
    })
  )
}

/** `asked`: whether the id may have been asked for before. */
type Step = readonly [resource: string, command: LeaseMachine.Command, asked: boolean]

/** Carries a batch out on the server. `tokens`: of what the id of each step holds. */
const onServer = Effect.fnUntraced(function*(
  batch: Batch,
  steps: ReadonlyArray<Step>,
  tokens: ReadonlyArray<bigint>,
  micros: number
) {
  const { call, notified } = yield* Fixture
  const session = `s${batch.session}`
  const ops = steps.map(([key, command, asked], index) => {
    const args = toArgs(command, tokens[index] ?? 0n)
    return { key, args: asked ? Ops.again(args) : args }
  })
  const lines = yield* call(session, batch.patience * 1000, ops, micros)
  const own = lines.slice(steps.length).map((line) => `${session} ${line.slice(1)}`)
  return {
    replies: steps.map(([, command], index) => complete(lines[index] ?? "", command)),
    pushes: [...own, ...yield* notified].sort()
  }
})

/** Carries batches out in the machine. */
class Machine {
  readonly states = new Map<string, LeaseMachine.State>()
  private readonly issued = new Map<string, number>()
  run(steps: ReadonlyArray<Step>, micros: number) {
    const replies: Array<string> = []
    const tokens: Array<bigint> = []
    let pushes: Array<readonly [resource: string, push: LeaseMachine.Push]> = []
    for (const [resource, command] of steps) {
      // The machine forgets the last token with the resource; the server knows it until its clock has passed it.
      const last = this.issued.get(resource) ?? 0
      const at = { now: micros / 1000, floor: Math.max(micros, last + 1) }
      const holders = this.states.get(resource)?.holders ?? []
      tokens.push(BigInt(holders.find((one) => "id" in command && one.id === command.id)?.token ?? 0))
      const [state, reply, pushed] = LeaseMachine.step(this.states.get(resource), at, command)
      if (state === undefined) this.states.delete(resource)
      else this.states.set(resource, state)
      this.issued.set(resource, Math.max(last, state?.token ?? 0))
      replies.push(toLine(reply, Math.max(at.floor, (state?.token ?? 0) + 1)))
      // A claim that is asked for again in the batch that promoted it is told so by its answer.
      pushes = pushes.filter(([at, push]) =>
        at !== resource || reply._tag !== "Granted" || command._tag !== "Claim" || push.id !== command.id
      )
      for (const push of pushed) pushes.push([resource, push])
    }
    return {
      tokens,
      replies,
      pushes: pushes.map(([, push]) => `${push.session} ${push.id} ${push.token} ${push.ttl.toFixed(3)}`).sort()
    }
  }
}

layer(Fixture.layer)((it) => {
  it.effect.prop(
    "the server answers, pushes and keeps what the machine does",
    { batches: Schema.Array(Batch).check(Schema.isMaxLength(30)) },
    ({ batches }) =>
      Effect.gen(function*() {
        const { admin, call } = yield* Fixture
        yield* admin.query(`truncate ${tables.map((table) => `machine.${table}`).join(", ")}`)
        const machine = new Machine()
        let micros = 1_700_000_000_000_000
        for (const batch of batches) {
          micros += batch.pass * 1_000_000
          const sorted = batch.orders.toSorted((one, other) => one.resource - other.resource)
          const steps = sorted.map(({ order, resource }, index): Step => {
            const command = toCommand(batch, { order, resource })
            const id = "id" in command ? command.id : ""
            const before = sorted.slice(0, index).some((other) => "id" in other.order && `id${other.order.id}` === id)
            const state = machine.states.get(`r${resource}`)
            const known = [...state?.queue ?? [], ...state?.holders ?? []].some((one) => one.id === id)
            return [`r${resource}`, command, before || known || micros % 2_000_000 === 0]
          })
          const { tokens, ...expected } = machine.run(steps, micros)
          assert.deepStrictEqual(yield* onServer(batch, steps, tokens, micros), expected)
          for (const key of ["r0", "r1", "r2"]) {
            const [seen = ""] = yield* call("s0", 1, [{ key, args: Ops.inspect }], micros)
            assert.deepStrictEqual(Ops.looked(seen).inspection, lookAt(machine.states.get(key), micros / 1000))
          }
        }
        // When all that could end has ended, a sweep leaves nothing but what was resized.
        micros += 400_000_000
        yield* admin.query("select set_config('heddle.now', $1, false)", [String(micros)])
        yield* admin.query("select machine.lease_sweep_1()")
        const resized = [...machine.states].filter(([, { limit, named }]) => limit !== named).map(([key]) => key).sort()
        const left = yield* admin.queryValues("select key from machine.lease order by key")
        assert.deepStrictEqual(left.flat(), resized)
      }),
    { arbitrary: { runs: 120, size: 60 }, timeout: 120_000 }
  )
})
