import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { LeaseMachine } from "heddle/coordination"
import { Redis } from "ioredis"
import * as Script from "../src/internal/leaseScript.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
// Seconds, so that no key expires by itself while the test runs: time moves here only when the test says so.
const seconds = int(60, 180)

const ids = int(0, 3)
const Order = Schema.TaggedUnion({
  Claim: {
    id: ids,
    limit: Schema.Literals([2, 2, 2, 3]),
    permits: int(1, 2),
    tokens: Schema.Literals([1, 1, 2, 1000]),
    ttl: seconds,
    patience: seconds,
    wait: Schema.Literals([true, true, true, false]),
    owner: Schema.Literals(["default", "another"])
  },
  Renew: { id: ids, ttl: seconds },
  Release: { id: ids, remember: Schema.Literals([0, 0, 100]) },
  Update: {
    id: ids,
    change: Schema.Literals(["both", "value", "permits", "permits"]),
    value: Schema.Literals(["", "nëw \"value\"\n"]),
    permits: int(1, 2)
  },
  Resize: { limit: int(1, 3) }
})
type Order = typeof Order.Type
// The orders of one batch are carried out at one instant, and may be for several resources.
const Batch = Schema.Struct({
  // Never less than the tokens of one batch, a microsecond each: what only remembers the last token expires in real time.
  pass: Schema.Literals([0.005, 1, 30, 90]),
  orders: Schema.Array(Schema.Struct({ resource: Schema.Literals([0, 0, 0, 1, 2, 2, 3, 3]), order: Order })).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(4)
  )
})
type Batch = typeof Batch.Type
type Command = LeaseMachine.Command

const script = Script.scriptWith("local micros = tonumber(ARGV[2])")

/** Every claim of a batch is of one session, with one patience: the batch says so once. */
const idOf = (order: Order) => order._tag === "Resize" ? undefined : order.id
const sessionOf = (batch: Batch) =>
  `s${batch.orders.map(({ order }) => idOf(order)).find((id) => id !== undefined) ?? 0}`
const patienceOf = (batch: Batch) =>
  batch.orders.reduce((found, { order }) => order._tag === "Claim" ? order.patience * 1000 : found, 60_000)

/** The claims on resource 2 are those of a lock, which the script has shorter ways for; on resource 3 some are. */
const plain = { owner: "default", value: "", permits: 1, limit: 1, tokens: 1 }

const toCommand = (batch: Batch, { order, resource }: Batch["orders"][number]): Command => {
  if (order._tag === "Resize") return order
  const id = `id${order.id}`
  switch (order._tag) {
    case "Claim": {
      const { limit, owner, permits, tokens, wait } = order
      const session = sessionOf(batch)
      const ttl = order.ttl * 1000
      const patience = patienceOf(batch)
      const other = { owner, value: "v", permits, limit, tokens }
      const mutex = resource === 2 || owner === "default" ? plain : { ...other, permits: 1, limit: 1 }
      const asked = resource < 2 ? other : mutex
      return { _tag: "Claim", id, session, ttl, wait, patience, ...asked }
    }
    case "Renew":
      return { _tag: "Renew", id, ttl: order.ttl * 1000 }
    case "Release":
      return { _tag: "Release", id, remember: order.remember * 1000 }
    case "Update": {
      const value = order.change === "permits" ? undefined : order.value
      return { _tag: "Update", id, value, permits: order.change === "value" ? undefined : order.permits }
    }
  }
}

const toArgs = (command: Command, header: Script.Header): Script.Args => {
  if (command._tag === "Resize") return Script.resize(command.limit)
  const claim = {
    id: command.id,
    resource: "",
    owner: "",
    value: "",
    permits: 1,
    limit: 1,
    tokens: 1,
    ttl: 0,
    wait: true
  }
  switch (command._tag) {
    case "Claim":
      return Script.claim({ ...claim, ...command }, header)
    case "Renew":
      return Script.renew({ ...claim, ttl: command.ttl })
    case "Release":
      return Script.release(claim, command.remember)
    case "Update":
      return Script.update(claim, command)
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

/** The script leaves out the ttl of a grant that is the one asked for. */
const complete = (line: string, command: Command): string =>
  command._tag === "Claim" && /^G\d+$/.test(line) ? `${line} ${command.ttl.toFixed(3)}` : line

const inUse = (state: LeaseMachine.State, now: number) =>
  state.limit !== state.named || [...state.holders, ...state.queue].some(({ until }) => until > now)

const lookAt = (state: LeaseMachine.State | undefined, now: number) => ({
  limit: state !== undefined && inUse(state, now) ? state.limit : undefined,
  holders: (state?.holders ?? []).filter((holder) => holder.until > now).map((holder) => ({
    id: holder.id,
    owner: holder.owner,
    value: holder.value,
    permits: holder.permits,
    token: BigInt(holder.token),
    age: Number((now - holder.since).toFixed(3))
  })),
  waiters: (state?.queue ?? []).filter((waiter) => waiter.until > now).map((waiter) => ({
    id: waiter.id,
    owner: waiter.owner,
    permits: waiter.permits,
    age: Number((now - waiter.since).toFixed(3))
  }))
})

/** A server, and the grants that the script has published on it. */
class Fixture extends Context.Service<Fixture, {
  readonly redis: Redis
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
      subscriber.on("message", (channel: string, message: string) => {
        for (const line of message.split("\n")) seen.push(`${channel.slice("inbox:".length)} ${line}`)
      })
      yield* Effect.promise(() => subscriber.subscribe("inbox:s0", "inbox:s1", "inbox:s2", "inbox:s3"))
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

/** `asked`: whether the id may have been asked for before. */
type Step = readonly [resource: string, command: Command, asked: boolean]

/** Carries a batch out in the script. */
const inScript = Effect.fnUntraced(function*(header: Script.Header, steps: ReadonlyArray<Step>, micros: number) {
  const { published, redis } = yield* Fixture
  const keys = steps.map(([resource]) => resource)
  const batch = Script.encode(
    header,
    steps.map(([, command, asked]) => {
      const args = toArgs(command, header)
      return { args: asked ? Script.again(args) : args }
    })
  )
  const lines = String(yield* Effect.promise(() => redis.eval(script.lua, keys.length, ...keys, batch, micros))).split(
    "\n"
  )
  const own = lines.slice(steps.length).map((line) => `${header.session} ${line.slice(1)}`)
  return {
    replies: steps.map(([, command], index) => complete(lines[index] ?? "", command)),
    pushes: [...own, ...yield* published].sort()
  }
})

/** Carries batches out in the machine. */
class Machine {
  readonly states = new Map<string, LeaseMachine.State>()
  private readonly issued = new Map<string, number>()
  run(steps: ReadonlyArray<Step>, micros: number) {
    const replies: Array<string> = []
    const pushes: Array<LeaseMachine.Push> = []
    for (const [resource, command] of steps) {
      // The machine forgets the last token with the resource; the script knows it until its clock has passed it.
      const last = this.issued.get(resource) ?? 0
      const at = { now: micros / 1000, floor: Math.max(micros, last + 1) }
      const [state, reply, pushed] = LeaseMachine.step(this.states.get(resource), at, command)
      if (state === undefined) this.states.delete(resource)
      else this.states.set(resource, state)
      this.issued.set(resource, Math.max(last, state?.token ?? 0))
      replies.push(toLine(reply, Math.max(at.floor, (state?.token ?? 0) + 1)))
      pushes.push(...pushed)
    }
    return {
      replies,
      pushes: pushes.map((push) => `${push.session} ${push.id} ${push.token} ${push.ttl.toFixed(3)}`).sort()
    }
  }
}

layer(Fixture.layer)((it) => {
  it.effect("a claim that left the line and comes again stands at its end", () =>
    Effect.gen(function*() {
      const { redis } = yield* Fixture
      yield* Effect.promise(() => redis.flushall())
      const machine = new Machine()
      const header = { session: "s0", inbox: "inbox:", patience: 60_000, owner: "default" }
      const claim = (id: string): Step => [
        "r",
        { _tag: "Claim", id, session: "s0", ttl: 60_000, wait: true, patience: 60_000, ...plain },
        false
      ]
      const release = (id: string): Step => ["r", { _tag: "Release", id, remember: 0 }, false]
      let micros = 1_700_000_000_000_000
      for (
        const step of [claim("a"), claim("b"), claim("c"), release("b"), claim("b"), release("a"), release("c")]
      ) {
        micros += 1000
        assert.deepStrictEqual(yield* inScript(header, [step], micros), machine.run([step], micros))
      }
      // The last of a line takes along what earlier ones left in it.
      yield* inScript(header, [claim("d"), release("d"), release("b")], micros + 1000)
      assert.deepStrictEqual(yield* Effect.promise(() => redis.keys("*")), [])
    }))

  it.effect("a lock that is handed over is as it is to whoever asks for it next in the same call", () =>
    Effect.gen(function*() {
      const { redis } = yield* Fixture
      yield* Effect.promise(() => redis.flushall())
      const machine = new Machine()
      const header = { session: "s0", inbox: "inbox:", patience: 60_000, owner: "default" }
      const claim = (id: string, ttl = 50_000): Step => [
        "r",
        { _tag: "Claim", id, session: "s0", ttl, wait: true, patience: 60_000, ...plain },
        false
      ]
      const renew = (id: string): Step => ["r", { _tag: "Renew", id, ttl: 55_000 }, false]
      const release = (id: string): Step => ["r", { _tag: "Release", id, remember: 0 }, false]
      let micros = 1_700_000_000_000_000
      for (
        const steps of [
          [claim("a"), claim("b"), claim("c", 40_000), claim("d")],
          [release("a"), claim("e")],
          [release("b"), renew("c"), claim("f")],
          [release("c"), release("d"), claim("g"), claim("h")],
          [release("e"), claim("f"), release("f"), release("g"), release("h"), claim("i")]
        ]
      ) {
        // Past what was promised to those in line, so that what is kept of the line is written anew.
        micros += 20_000_000
        assert.deepStrictEqual(yield* inScript(header, steps, micros), machine.run(steps, micros))
      }
    }))

  it.effect("locks that are taken, given back or handed over in one call are told of with one token for each grant", () =>
    Effect.gen(function*() {
      const { redis } = yield* Fixture
      yield* Effect.promise(() => redis.flushall())
      const machine = new Machine()
      const claimBy = (session: string) => (resource: string, id: string): Step => [
        resource,
        { _tag: "Claim", id: `${id} ${resource}`, session, ttl: 50_000, wait: true, patience: 60_000, ...plain },
        false
      ]
      const release = (resource: string, id: string): Step => [
        resource,
        { _tag: "Release", id: `${id} ${resource}`, remember: 0 },
        false
      ]
      const claim = claimBy("s0")
      const wait = claimBy("s1")
      const all = ["r0", "r1", "r2", "r3"]
      let micros = 1_700_000_000_000_000
      for (
        const [session, steps] of [
          ["s0", [claim("r0", "a"), release("r0", "a"), ...all.map((key) => claim(key, "b"))]],
          ["s0", [claim("r0", "c"), claim("r1", "d")]],
          ["s1", [wait("r2", "e"), wait("r3", "f")]],
          ["s0", all.map((key) => release(key, "b"))]
        ] as const
      ) {
        micros += 1000
        const header = { session, inbox: "inbox:", patience: 60_000, owner: "default" }
        assert.deepStrictEqual(yield* inScript(header, steps, micros), machine.run(steps, micros))
      }
    }))

  it.effect("a release that must be remembered is, also when the key of its ended lease is still there", () =>
    Effect.gen(function*() {
      const { redis } = yield* Fixture
      yield* Effect.promise(() => redis.flushall())
      const machine = new Machine()
      const header = { session: "s0", inbox: "inbox:", patience: 60_000, owner: "default" }
      const claim: Command = {
        _tag: "Claim",
        id: "a",
        session: "s0",
        ttl: 60_000,
        wait: true,
        patience: 60_000,
        ...plain
      }
      const release: Command = { _tag: "Release", id: "a", remember: 100_000 }
      let micros = 1_700_000_000_000_000
      // The key outlives the lease by a rounded millisecond. The claim that comes last is one that was late.
      for (const [command, pass, answer] of [[claim, 1, "G"], [release, 60_000, "D"], [claim, 1, "X"]] as const) {
        micros += pass * 1000
        const step: Step = ["r", command, false]
        const seen = yield* inScript(header, [step], micros)
        assert.deepStrictEqual(seen, machine.run([step], micros))
        assert.strictEqual(seen.replies[0]?.[0], answer)
      }
    }))

  it.effect.prop(
    "the script answers, pushes and keeps what the machine does",
    { batches: Schema.Array(Batch).check(Schema.isMaxLength(30)) },
    ({ batches }) =>
      Effect.gen(function*() {
        const { redis } = yield* Fixture
        yield* Effect.promise(() => redis.flushall())
        const machine = new Machine()
        let micros = 1_700_000_000_000_000
        for (const batch of batches) {
          micros += batch.pass * 1_000_000
          const steps = batch.orders.map(({ order, resource }, index): Step => {
            const command = toCommand(batch, { order, resource })
            const before = batch.orders.slice(0, index).some((other) => idOf(other.order) === idOf(order))
            const waits = machine.states.get(`r${resource}`)?.queue.some(({ id }) => id === `id${idOf(order)}`) === true
            return [`r${resource}`, command, before || waits || micros % 2_000_000 === 0]
          })
          const session = sessionOf(batch)
          const header = { session, inbox: "inbox:", patience: patienceOf(batch), owner: "default" }
          assert.deepStrictEqual(yield* inScript(header, steps, micros), machine.run(steps, micros))
          for (const resource of ["r0", "r1", "r2", "r3"]) {
            const seen = yield* Effect.promise(() =>
              redis.eval(
                script.lua,
                1,
                resource,
                Script.encode(header, [{ args: Script.inspect }]),
                micros
              )
            )
            const { inspection } = Script.looked(String(seen))
            assert.deepStrictEqual(inspection, lookAt(machine.states.get(resource), micros / 1000))
          }
        }
      }),
    { arbitrary: { runs: 500, size: 60 } }
  )
})
