import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { LeaseMachine } from "heddle/coordination"

const limit = 3
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

// An actor has one claim at a time; `Claim` of an actor whose claim lives asks again.
const Order = Schema.TaggedUnion({
  Claim: {
    actor: int(0, 5),
    permits: int(1, limit),
    tokens: int(1, 3),
    ttl: int(1, 60),
    patience: int(1, 60),
    wait: Schema.Boolean
  },
  Renew: { actor: int(0, 5), ttl: int(1, 60) },
  Release: { actor: int(0, 5), remember: int(0, 40) },
  Update: {
    actor: int(0, 5),
    value: Schema.UndefinedOr(Schema.Literals(["", "new"])),
    permits: Schema.UndefinedOr(Schema.Literals([1, 2]))
  },
  Pass: { millis: int(0, 40) }
})
type Order = typeof Order.Type

type Command = Exclude<LeaseMachine.Command, { _tag: "Resize" }>

interface Seen {
  readonly command: Command
  readonly at: LeaseMachine.Instant
  readonly before: LeaseMachine.State | undefined
  readonly after: LeaseMachine.State | undefined
  readonly reply: LeaseMachine.Reply
  readonly pushes: ReadonlyArray<LeaseMachine.Push>
}

/** Carries the orders out one after another, and tells each step. */
const play = (orders: ReadonlyArray<Order>): ReadonlyArray<Seen> => {
  const names = new Map<number, string>()
  const seen: Array<Seen> = []
  let state: LeaseMachine.State | undefined
  let now = 0
  let fresh = 0
  const toCommand = (order: Exclude<Order, { _tag: "Pass" }>): Command => {
    const known = names.get(order.actor) ?? "nobody"
    switch (order._tag) {
      case "Claim": {
        const lives = holder(state, known) !== undefined || waiter(state, known) !== undefined
        const id = lives ? known : `${order.actor}:${fresh++}`
        names.set(order.actor, id)
        return { ...order, id, session: `s${order.actor}`, owner: `${order.actor}`, value: "", limit }
      }
      case "Renew":
        return { _tag: "Renew", id: known, ttl: order.ttl }
      case "Release":
        return { _tag: "Release", id: known, remember: order.remember }
      case "Update":
        return { _tag: "Update", id: known, value: order.value, permits: order.permits }
    }
  }
  for (const order of orders) {
    if (order._tag === "Pass") {
      now += order.millis
      continue
    }
    const at = { now, floor: now }
    const before = state
    const command = toCommand(order)
    const [after, reply, pushes] = LeaseMachine.step(before, at, command)
    state = after
    seen.push({ command, at, before, after, reply, pushes })
  }
  return seen
}

const holder = (state: LeaseMachine.State | undefined, id: string) => state?.holders.find((one) => one.id === id)
const waiter = (state: LeaseMachine.State | undefined, id: string) => state?.queue.find((one) => one.id === id)
const used = (state: LeaseMachine.State, now: number) =>
  state.holders.reduce((sum, one) => one.until > now ? sum + one.permits : sum, 0)
/** The grants that a step made, with how many tokens each reserved. */
const granted = ({ after, before, command }: Seen) =>
  (after?.holders ?? []).filter((one) => holder(before, one.id) === undefined).map((one) => {
    const asked = command._tag === "Claim" && command.id === one.id ? command : undefined
    return { id: one.id, token: one.token, tokens: waiter(before, one.id)?.tokens ?? asked?.tokens ?? 1 }
  })
const ids = (all: ReadonlyArray<{ readonly id: string }>) => all.map((one) => one.id)

const law = (title: string, check: (step: Seen, earlier: ReadonlyArray<Seen>) => void) =>
  it.prop(title, [Schema.Array(Order)], ([orders]) => {
    const steps = play(orders)
    steps.forEach((step, index) => check(step, steps.slice(0, index)))
  }, { arbitrary: { runs: 500, size: 60 } })

describe("LeaseMachine", () => {
  law("granted permits never pass the limit", ({ after, at }) => {
    assert.isAtMost(after === undefined ? 0 : used(after, at.now), limit)
  })

  law("each grant has a token above the block of every earlier one", (step, earlier) => {
    // A resource that was given up starts again at the floor, which the store's clock moves on.
    const since = earlier.findLastIndex((one) => one.after === undefined)
    const ends = earlier.slice(since + 1).flatMap((one) => granted(one).map((grant) => grant.token + grant.tokens - 1))
    let last = Math.max(0, ...ends)
    for (const { token, tokens } of granted(step)) {
      assert.isAbove(token, last)
      assert.isAtLeast(token, step.at.floor)
      last = token + tokens - 1
    }
  })

  law("nobody is let in while somebody alive who came earlier waits, and nobody waits who could go in", (step) => {
    const { after, at, before } = step
    if (after === undefined) return
    const arrivals = [...ids(before?.queue ?? []), ...ids(after.queue)]
    const alive = after.queue.filter((one) => one.until > at.now)
    for (const one of after.holders) {
      if (holder(before, one.id) !== undefined) continue
      const ahead = alive.filter((other) =>
        waiter(before, other.id) !== undefined &&
        (waiter(before, one.id) === undefined || arrivals.indexOf(other.id) < arrivals.indexOf(one.id))
      )
      assert.deepStrictEqual(ids(ahead), [])
    }
    const [head] = after.queue
    if (head === undefined) return
    const taken = used(after, at.now)
    if (taken === limit) return
    assert.isAbove(head.until, at.now)
    assert.isAbove(taken + head.permits, limit)
  })

  law("who stands in line keeps the order of arrival", ({ after, before }) => {
    const stayed = ids(before?.queue ?? []).filter((id) => waiter(after, id) !== undefined)
    assert.deepStrictEqual(ids(after?.queue ?? []).slice(0, stayed.length), stayed)
  })

  law("a claim that is asked again is answered the same and changes nothing", (step) => {
    const { after, at, command, reply } = step
    if (command._tag !== "Claim" || reply._tag === "Busy") return
    const [again, same, pushes] = LeaseMachine.step(after, at, { ...command, wait: true })
    assert.deepStrictEqual([again, same, pushes], [after, reply, []])
  })

  law("a step touches no other claim than its own, save those that ended or are let in", (step) => {
    const { after, at, before, command } = step
    for (const one of before?.holders ?? []) {
      if (one.id !== command.id && one.until > at.now) assert.deepStrictEqual(holder(after, one.id), one)
    }
    for (const one of before?.queue ?? []) {
      if (one.id === command.id || one.until <= at.now) continue
      if (holder(after, one.id) === undefined) assert.deepStrictEqual(waiter(after, one.id), one)
    }
  })

  law("every grant that was not asked for in this step is pushed, with its token, and nothing else is", (step) => {
    const { before, command, pushes } = step
    const asked = command._tag === "Claim" ? command.id : undefined
    const fresh = granted(step).filter((one) => one.id !== asked)
    assert.deepStrictEqual(
      pushes.map((push) => [push.id, push.token, push.session]),
      fresh.map((one) => [one.id, one.token, waiter(before, one.id)?.session])
    )
  })

  law("the reply says what the state says", ({ after, at, before, command, reply }) => {
    const mine = holder(after, command.id)
    switch (reply._tag) {
      case "Granted":
        return assert.deepStrictEqual([mine?.token, (mine?.until ?? 0) - at.now], [reply.token, reply.ttl])
      case "Queued": {
        assert.isDefined(waiter(after, command.id))
        return assert.isAbove(reply.next, 0)
      }
      case "Busy":
      case "Gone":
        return assert.deepStrictEqual([mine, waiter(after, command.id)], [undefined, undefined])
      case "Lost":
        return assert.isAtMost(holder(before, command.id)?.until ?? 0, at.now)
      case "Done":
        return assert.strictEqual(mine === undefined, command._tag === "Release")
      case "Mismatch":
        return assert.fail("all ask for the same limit")
    }
  })

  law("a renewal moves the end of a lease that lives, and gives no life to one that ended", (step) => {
    const { after, at, before, command } = step
    if (command._tag !== "Renew" || waiter(before, command.id) !== undefined) return
    const lives = (holder(before, command.id)?.until ?? 0) > at.now
    assert.strictEqual(holder(after, command.id)?.until, lives ? at.now + command.ttl : undefined)
  })

  law("a claim that was withdrawn before it came is refused for as long as that is remembered", (step) => {
    const { after, at, before, command } = step
    if (command._tag !== "Release" || command.remember === 0) return
    if (holder(before, command.id) !== undefined || waiter(before, command.id) !== undefined) return
    const late = { session: "", owner: "", value: "", permits: 1, limit, tokens: 1, ttl: 1, patience: 1, wait: true }
    const claim: LeaseMachine.Command = { _tag: "Claim", id: command.id, ...late }
    const ask = (now: number) => LeaseMachine.step(after, { now, floor: 0 }, claim)[1]._tag
    assert.strictEqual(ask(at.now + command.remember - 1), "Gone")
    assert.notStrictEqual(ask(at.now + command.remember + 40), "Gone")
  })

  law("the release of a claim that came leaves nothing to remember", ({ after, at, before, command }) => {
    if (command._tag !== "Release") return
    const held = (holder(before, command.id)?.until ?? 0) > at.now
    if (!held && waiter(before, command.id) === undefined) return
    assert.notInclude(ids(after?.gone ?? []), command.id)
  })

  law("nothing remains when all have left and nothing is to be remembered", ({ after, at }) => {
    const idle = LeaseMachine.step(after, { now: at.now + 100, floor: 0 }, { _tag: "Release", id: "", remember: 0 })
    assert.isUndefined(idle[0])
  })

  it("callers with another limit are refused while the resource is in use, and not after", () => {
    const claim = (id: string, limit: number): LeaseMachine.Command => {
      const rest = { session: "", owner: "", value: "", permits: 1, tokens: 1, ttl: 10, patience: 10, wait: true }
      return { _tag: "Claim", id, limit, ...rest }
    }
    const [held] = LeaseMachine.step(undefined, { now: 0, floor: 0 }, claim("a", 2))
    const [still, reply] = LeaseMachine.step(held, { now: 1, floor: 0 }, claim("b", 3))
    assert.deepStrictEqual([still, reply], [held, { _tag: "Mismatch", limit: 2 }])
    assert.strictEqual(LeaseMachine.step(held, { now: 10, floor: 0 }, claim("b", 3))[1]._tag, "Granted")
  })

  law("what a holder gives back it does not have any more, and it never gains", ({ after, before, command }) => {
    const was = holder(before, command.id)
    const is = holder(after, command.id)
    if (command._tag !== "Update" || was === undefined || is === undefined) return
    const { permits = was.permits, value = was.value } = command
    assert.deepStrictEqual(is, { ...was, value, permits: Math.min(was.permits, permits) })
  })

  describe("a resource that is resized", () => {
    const claim = (id: string, permits = 1): LeaseMachine.Command => {
      const rest = { session: "", owner: "", value: "", tokens: 1, ttl: 10, patience: 10, wait: true }
      return { _tag: "Claim", id, permits, limit: 2, ...rest }
    }
    const resize = (limit: number): LeaseMachine.Command => ({ _tag: "Resize", limit })
    const release = (id: string): LeaseMachine.Command => ({ _tag: "Release", id, remember: 0 })
    const run = (commands: ReadonlyArray<LeaseMachine.Command>) => {
      const replies: Array<string> = []
      const pushed: Array<string> = []
      let state: LeaseMachine.State | undefined
      for (const command of commands) {
        const [next, reply, pushes] = LeaseMachine.step(state, { now: 0, floor: 0 }, command)
        state = next
        replies.push(reply._tag)
        pushed.push(...ids(pushes))
      }
      return { state, replies, pushed }
    }

    it("lets in at once those whom the new size has room for", () => {
      const { pushed, state } = run([claim("a", 2), claim("b"), claim("c"), claim("d"), resize(4)])
      assert.deepStrictEqual([pushed, ids(state?.queue ?? [])], [["b", "c"], ["d"]])
    })
    it("takes nothing from its holders, and lets nobody in before they fit", () => {
      const { pushed, state } = run([claim("a"), claim("b"), claim("c"), resize(1), release("a")])
      assert.deepStrictEqual([pushed, ids(state?.holders ?? []), ids(state?.queue ?? [])], [[], ["b"], ["c"]])
      assert.deepStrictEqual(run([claim("a"), claim("b"), claim("c"), resize(1), release("a"), release("b")]).pushed, [
        "c"
      ])
    })
    it("keeps its size while nobody uses it, for callers who name the old one", () => {
      const { replies, state } = run([resize(1), claim("a"), release("a"), claim("b"), claim("c")])
      assert.deepStrictEqual(replies, ["Done", "Granted", "Done", "Granted", "Queued"])
      assert.strictEqual(state?.limit, 1)
    })
    it("makes a claim wait that is larger than it, also when it is free", () => {
      const { pushed, replies } = run([resize(1), claim("a", 2), resize(2)])
      assert.deepStrictEqual([replies, pushed], [["Done", "Queued", "Done"], ["a"]])
    })
    it("is forgotten when it has the named size again and nobody uses it", () => {
      assert.isUndefined(run([claim("a"), resize(3), release("a"), resize(2)]).state)
      assert.isDefined(run([claim("a"), resize(3), release("a")]).state)
    })
    it("does not take the size that a withdrawn claim left behind for one that callers named", () => {
      const withdrawn: LeaseMachine.Command = { _tag: "Release", id: "x", remember: 10 }
      assert.deepStrictEqual(run([withdrawn, resize(1), claim("a"), claim("b")]).replies.slice(2), [
        "Granted",
        "Queued"
      ])
    })
    it("does not refuse callers who agree among themselves", () => {
      assert.deepStrictEqual(run([resize(5), claim("a", 2), claim("b", 2)]).replies, ["Done", "Granted", "Granted"])
    })
  })
})
