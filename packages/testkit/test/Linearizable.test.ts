import { assert, describe, it } from "@effect/vitest"
import { Linearizable } from "@heddle/testkit"
import { prng } from "../src/internal/prng.ts"
import { bruteForce, expectedOf } from "./bruteForce.ts"

type Told = readonly [
  client: string,
  invoked: number,
  returned: number,
  action: Linearizable.Action,
  result: Linearizable.Result
]

const historyOf = (key: string, ...told: ReadonlyArray<Told>): ReadonlyArray<Linearizable.Operation> =>
  told.map(([client, invoked, returned, action, result]) => ({ key, client, invoked, returned, action, result }))

const history = (...told: ReadonlyArray<Told>) => historyOf("k", ...told)

const get: Linearizable.Action = { _tag: "Get" }
const remove: Linearizable.Action = { _tag: "Delete" }
const put = (value: string, expected?: bigint): Linearizable.Action => ({ _tag: "Put", value, expected })
const found = (value: string, revision: bigint): Linearizable.Result => ({ _tag: "Found", value, revision })
const done = (revision?: bigint): Linearizable.Result => ({ _tag: "Done", revision })
const conflict = (actual: bigint): Linearizable.Result => ({ _tag: "Conflict", actual })
const absent: Linearizable.Result = { _tag: "Absent" }
const unknown: Linearizable.Result = { _tag: "Unknown" }

const good = (title: string, ...told: ReadonlyArray<Told>) =>
  it(title, () => assert.deepStrictEqual(Linearizable.check(history(...told)), { violations: [], undecided: [] }))

const bad = (title: string, says: RegExp, ...told: ReadonlyArray<Told>) =>
  it(title, () => {
    const { undecided, violations } = Linearizable.check(history(...told))
    assert.deepStrictEqual(undecided, [])
    assert.strictEqual(violations.length, 1)
    assert.match(violations[0]?.message ?? "", says)
  })

describe("a history that can be", () => {
  good("of nothing")
  good(
    "one after another",
    ["1", 0, 1, get, absent],
    ["1", 2, 3, put("x"), done(1n)],
    ["2", 4, 5, get, found("x", 1n)],
    ["2", 6, 7, put("y", 1n), done(2n)],
    ["1", 8, 9, put("z", 1n), conflict(2n)],
    ["1", 10, 11, remove, done()],
    ["2", 12, 13, remove, absent],
    ["2", 14, 15, put("z", 0n), done(5n)]
  )
  good(
    "where a read sees a write that has not returned, and another does not",
    ["1", 0, 10, put("x"), done(1n)],
    ["2", 1, 8, get, absent],
    ["3", 2, 3, get, found("x", 1n)]
  )
  good(
    "where a write without an answer took place long after it was asked",
    ["1", 0, 1, put("x"), unknown],
    ["2", 10, 11, get, absent],
    ["2", 20, 21, get, found("x", 1n)]
  )
  good(
    "where a write without an answer never took place",
    ["1", 0, 1, put("x"), unknown],
    ["2", 2, 3, put("y"), done(4n)],
    ["2", 10, 11, get, found("y", 4n)]
  )
  good(
    "where a deletion without an answer, and two writes, explain what is seen",
    ["1", 0, 1, put("a"), unknown],
    ["1", 2, 3, remove, unknown],
    ["2", 4, 5, remove, done()],
    ["1", 6, 7, put("b"), unknown],
    ["2", 8, 9, put("c", 3n), unknown],
    ["2", 10, 11, get, found("c", 4n)]
  )
  good(
    "where a deletion without an answer explains something early, but is needed for something late",
    ["1", 0, 10, put("x"), done(1n)],
    ["2", 0, 10, get, absent],
    ["3", 0, 10, put("y"), done(2n)],
    ["4", 0, 10, remove, unknown],
    ["1", 20, 21, get, found("y", 2n)],
    ["1", 22, 23, get, absent]
  )
  good(
    "where a key that was written for a time is gone, and is written again",
    ["1", 0, 1, put("x"), done(1n)],
    ["store", 5, 5, { _tag: "Expire", value: "x" }, unknown],
    ["2", 8, 9, get, absent],
    ["2", 10, 11, put("y"), done(4n)],
    ["2", 12, 13, get, found("y", 4n)]
  )
  good(
    "where a transaction saw a key that it did not write",
    ["1", 0, 1, put("a"), done(1n)],
    ["2", 2, 3, { _tag: "Check", expected: 1n }, done()],
    ["2", 4, 5, { _tag: "Check", expected: 0n }, conflict(1n)]
  )
})

describe("a history that cannot be", () => {
  bad(
    "a read that is stale",
    /with "x" at revision 1; then:\n.*get -> absent/,
    ["1", 0, 1, put("x"), done(1n)],
    ["2", 2, 3, get, absent]
  )
  bad(
    "an update that is lost: two writes on condition of one revision",
    /if at revision 1 -> done at revision 3/,
    ["1", 0, 1, put("0"), done(1n)],
    ["1", 2, 5, put("1", 1n), done(2n)],
    ["2", 3, 6, put("2", 1n), done(3n)]
  )
  bad(
    "a deleted key that is back",
    /leaves the key absent/,
    ["1", 0, 1, put("x"), done(1n)],
    ["1", 2, 3, remove, done()],
    ["2", 4, 5, get, found("x", 1n)]
  )
  bad(
    "a key that is gone before its time",
    /get -> absent/,
    ["1", 0, 1, put("x"), done(1n)],
    ["store", 5, 5, { _tag: "Expire", value: "x" }, unknown],
    ["2", 2, 3, get, absent]
  )
  bad(
    "a key that is gone with the time of the value before",
    /get -> absent/,
    ["1", 0, 1, put("x"), done(1n)],
    ["store", 2, 2, { _tag: "Expire", value: "x" }, unknown],
    ["1", 3, 4, put("y"), done(2n)],
    ["2", 5, 6, get, absent]
  )
  bad(
    "reads that see a write, and then do not",
    /put "x".*\n.*get -> "x".*\n.*get -> absent/,
    ["1", 0, 4, put("x"), done(1n)],
    ["2", 1, 2, get, found("x", 1n)],
    ["3", 3, 8, get, absent]
  )
  bad(
    "a write without an answer that took place twice",
    /leaves the key absent; then:\n.*get -> "x" at revision 2/,
    ["1", 0, 1, put("x"), unknown],
    ["2", 2, 3, get, found("x", 1n)],
    ["2", 4, 5, remove, done()],
    ["2", 6, 7, get, found("x", 2n)]
  )
  bad(
    "a write seen before it was asked",
    /found|get/,
    ["2", 0, 1, get, found("x", 1n)],
    ["1", 2, 3, put("x"), done(1n)]
  )
  bad(
    "a value that nobody wrote",
    /"y" at revision 1/,
    ["1", 0, 1, put("x"), unknown],
    ["2", 2, 3, get, found("y", 1n)]
  )
  bad(
    "a revision that goes back",
    /revision 2/,
    ["1", 0, 1, put("x"), done(3n)],
    ["1", 2, 3, remove, done()],
    ["1", 4, 5, put("y"), done(2n)]
  )
  bad(
    "a conflict that was none",
    /conflict/,
    ["1", 0, 1, put("x"), done(1n)],
    ["1", 2, 3, put("y", 1n), conflict(2n)]
  )

  it("of one key, beside others that can be, is told by a few of its operations", () => {
    const many = Array.from({ length: 300 }, (_, n): ReadonlyArray<Told> => [
      ["1", 10 * n, 10 * n + 4, put(`v${n}`), done(BigInt(n + 1))],
      ["2", 10 * n + 1, 10 * n + 5, get, found(`v${n}`, BigInt(n + 1))],
      ["3", 10 * n + 2, 10 * n + 6, put(`lost${n}`, 7n), n % 10 === 0 ? unknown : conflict(BigInt(n + 1))]
    ]).flat()
    const operations = [
      ...history(...many).filter(({ result }) => !("actual" in result && result.actual === 7n)),
      ...history(["4", 1507, 1508, get, found("v149", 150n)]),
      ...historyOf("other", ...many.slice(0, 3))
    ]
    const { undecided, violations } = Linearizable.check(operations)
    assert.deepStrictEqual(undecided, [])
    assert.deepStrictEqual(violations.map(({ key }) => key), ["k"])
    const answered = violations.flatMap((violation) => violation.operations).filter(({ result }) =>
      result._tag !== "Unknown"
    )
    assert.deepStrictEqual(answered, history(["4", 1507, 1508, get, found("v149", 150n)]))
  })

  it("or can, is left open when the budget does not suffice", () => {
    const told: ReadonlyArray<Told> = Array.from({ length: 10 }, (_, n) => [`${n}`, 0, 100, put(`${n}`), done(1n)])
    assert.deepStrictEqual(Linearizable.check(history(...told), { budget: 10 }), { violations: [], undecided: ["k"] })
  })
})

describe("a long history with many operations that were not answered", () => {
  /** Four clients at once, each with one operation after another; one in ten is not answered. The last but few reads `stale`. */
  const sample = (seed: number, size: number, stale?: Linearizable.Result): ReadonlyArray<Linearizable.Operation> => {
    const random = prng(seed)
    const told: Array<Told> = []
    const free = [0, 0, 0, 0]
    let [value, revision, last, now] = ["", 0n, 0n, 0]

    const take = (action: Linearizable.Action, lost: boolean): Linearizable.Result => {
      if (action._tag === "Get") return revision === 0n ? absent : found(value, revision)
      const expected = expectedOf(action)
      if (expected !== undefined && expected !== revision) return conflict(revision)
      if (lost && random() < 0.5) return unknown
      if (action._tag === "Put") {
        value = action.value
        revision = last = last + 1n
        return done(last)
      }
      const was = revision !== 0n
      revision = 0n
      return was ? done() : absent
    }

    for (let n = 0; n < size; n++) {
      const client = n % free.length
      const invoked = (free[client] ?? 0) + random()
      // The instants at which they take place are in this order.
      now = Math.max(now + random() / 4, invoked)
      const returned = free[client] = now + random()
      const kind = random()
      const expected = random() < 0.5 ? undefined : random() < 0.7 ? revision : last - 3n
      const action: Linearizable.Action = kind < 0.2 || (kind < 0.4 && expected === 0n)
        ? get
        : kind < 0.4
        ? { _tag: "Delete", expected }
        : put(`v${n}`, expected)
      const lost = random() < 0.1
      const result = take(action, lost)
      const wrong = n === size - 8 ? stale : undefined
      told.push([
        `${client}`,
        invoked,
        returned,
        wrong === undefined ? action : get,
        wrong ?? (lost ? unknown : result)
      ])
    }
    return history(...told)
  }

  it("is judged within the budget", () => {
    for (let seed = 0; seed < 20; seed++) {
      assert.deepStrictEqual(
        Linearizable.check(sample(seed, 2000)),
        { violations: [], undecided: [] },
        `seed ${seed}`
      )
    }
    for (let seed = 0; seed < 4; seed++) {
      const { undecided, violations } = Linearizable.check(sample(seed, 300, found("v150", 12n)))
      assert.deepStrictEqual([violations.length, undecided], [1, []], `seed ${seed}, changed`)
    }
  })
})

describe("the judgement on small histories is that of trying everything", () => {
  const size = 5

  /** What a store might have answered, with one answer changed in half of the histories. */
  const sample = (seed: number): ReadonlyArray<Linearizable.Operation> => {
    const random = prng(seed)
    const below = (n: number) => Math.floor(random() * n)
    const timed = Array.from({ length: size }, (_, n) => {
      const invoked = below(20)
      const returned = invoked + 1 + below(8)
      return { client: `${n}`, invoked, returned, at: invoked + random() * (returned - invoked) }
    }).sort((one, other) => one.at - other.at)
    let value: string | undefined
    let revision = 0n
    let last = 0n

    const asked = (): Linearizable.Action => {
      const expected = random() < 0.4 ? (random() < 0.6 ? revision : BigInt(below(4))) : undefined
      const kind = random()
      if (kind < 0.3) return get
      if (kind < 0.35) return { _tag: "Expire", value: `${below(3)}` }
      if (kind < 0.75) return put(`${below(3)}`, expected)
      return kind < 0.95 || expected === undefined ? { _tag: "Delete", expected } : { _tag: "Check", expected }
    }
    const answered = (action: Linearizable.Action): Linearizable.Result => {
      if (action._tag === "Get") return value === undefined ? absent : found(value, revision)
      const expected = expectedOf(action)
      if (expected !== undefined && expected !== revision) return conflict(revision)
      if (action._tag === "Check") return done()
      if (action._tag === "Expire") {
        if (action.value === value && random() < 0.5) {
          value = undefined
          revision = 0n
        }
        return unknown
      }
      if (action._tag === "Delete") {
        const result = action.expected === 0n ? unknown : value === undefined ? absent : done()
        value = undefined
        revision = 0n
        return result
      }
      value = action.value
      revision = last = last + 1n + BigInt(below(2))
      return done(random() < 0.8 ? revision : undefined)
    }
    const invented = (action: Linearizable.Action): Linearizable.Result => {
      const other = BigInt(below(4))
      if (action._tag === "Expire") return unknown
      if (action._tag === "Get") return random() < 0.3 ? absent : found(`${below(3)}`, other + 1n)
      if (action._tag === "Put" && random() < 0.6) return done(other + 1n)
      if (expectedOf(action) !== undefined) return random() < 0.5 ? conflict(other) : done()
      return action._tag === "Delete" && random() < 0.5 ? absent : done()
    }

    const changed = below(2 * size)
    return timed.map(({ client, invoked, returned }, n) => {
      const action = asked()
      const lost = random() < 0.25
      const result = lost && random() < 0.5 ? unknown : answered(action)
      return {
        key: "k",
        client,
        invoked,
        returned,
        action,
        result: n === changed ? invented(action) : lost ? unknown : result
      }
    })
  }

  it("for 20,000 of them", () => {
    const judged = { good: 0, bad: 0 }
    for (let seed = 0; seed < 20_000; seed++) {
      const operations = sample(seed)
      const { undecided, violations } = Linearizable.check(operations)
      const isGood = bruteForce(operations)
      if (isGood !== (violations.length === 0) || undecided.length > 0) {
        assert.fail(`seed ${seed} is ${isGood ? "good" : "bad"}:\n${JSON.stringify(operations, show, 1)}`)
      }
      judged[isGood ? "good" : "bad"]++
    }
    assert.isAbove(judged.good, 4000)
    assert.isAbove(judged.bad, 2000)
  })
})

const show = (_: string, value: unknown) => typeof value === "bigint" ? `${value}n` : value
