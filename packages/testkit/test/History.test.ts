import { assert, describe, it } from "@effect/vitest"
import { History } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

type Told = readonly [
  actor: string,
  kind: History.Step["kind"],
  more?: { token?: bigint; permits?: number; process?: string }
]

/** A history told in order, one nanosecond apart, of one key. */
const told = (...lines: ReadonlyArray<Told | History.Fate["kind"]>): ReadonlyArray<History.Event> => {
  const events: Array<History.Event> = []
  for (const line of lines) {
    const common = { process: "p", at: BigInt(events.length) }
    if (typeof line === "string") {
      events.push({ ...common, kind: line })
    } else {
      const [actor, kind, more] = line
      events.push({ ...common, actor, key: "k", kind, ...more })
    }
  }
  return events
}

const rulesBroken = (events: ReadonlyArray<History.Event>, rules?: History.Rules) =>
  History.check(events, rules).map((violation) => violation.rule)

const Requests = Schema.Array(
  Schema.Struct({
    permits: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })),
    hold: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
  })
).check(Schema.isMinLength(2), Schema.isMaxLength(12))

/** What a fair, weighted lock would do: everyone asks at once, and enters when there is room and nobody is ahead. */
const fairLock = (requests: typeof Requests.Type, limit: number, token: (place: number) => number): Array<Told> => {
  const lines: Array<Told> = requests.flatMap((_, n): Array<Told> => [[`a${n}`, "ask"], [`a${n}`, "queued"]])
  const waiting = requests.map(({ hold, permits }, n) => ({ actor: `a${n}`, permits, left: hold, place: n }))
  let inside: typeof waiting = []
  while (waiting.length + inside.length > 0) {
    const free = limit - inside.reduce((sum, one) => sum + one.permits, 0)
    const [head] = waiting
    if (head !== undefined && head.permits <= free) {
      lines.push([head.actor, "enter", { permits: head.permits, token: BigInt(token(head.place)) }])
      inside.push(head)
      waiting.shift()
      continue
    }
    for (const one of inside) if (one.left-- <= 0) lines.push([one.actor, "leave"])
    inside = inside.filter((one) => one.left >= 0)
  }
  return lines
}

const exclusive = (requests: typeof Requests.Type) => requests.map(({ hold }) => ({ hold, permits: 1 }))
const rising = (place: number) => place

const run = promisify(ChildProcess.execFile)
const child = (path: string, actor: string) =>
  Effect.promise(() =>
    run(process.execPath, [
      "--conditions=@heddle/source",
      fileURLToPath(new URL("fixtures/historyChild.ts", import.meta.url)),
      path,
      actor
    ])
  )

const tempFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "history-"))),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true }))
  ),
  (folder) => Path.join(folder, "history.jsonl")
)

describe("History", () => {
  describe("check", () => {
    it("finds two inside at once", () => {
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], ["a", "leave"], ["b", "enter"], ["b", "leave"])), [])
      const [violation] = History.check(told(["a", "enter"], ["b", "enter"], ["a", "leave"], ["b", "leave"]))
      assert.strictEqual(violation?.rule, "exclusion")
      assert.strictEqual(violation?.message, "p/a and p/b inside k at once: 2 of 1 permits")
    })

    it("counts permits", () => {
      const history = told(["a", "enter", { permits: 2 }], ["b", "enter", { permits: 2 }], ["c", "enter"])
      assert.deepStrictEqual(rulesBroken(history, { limit: 5 }), [])
      assert.deepStrictEqual(rulesBroken(history, { limit: 4 }), ["exclusion"])
    })

    it("keys have nothing to do with each other", () => {
      const at = (n: bigint, key: string): History.Event => ({
        process: "p",
        at: n,
        actor: "a",
        key,
        kind: "enter",
        token: 9n - n
      })
      assert.deepStrictEqual(History.check([at(1n, "k"), at(2n, "l")], { line: "asked" }), [])
    })

    it("who lost it, or died, is no longer inside; who timed out never was", () => {
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], ["a", "lost"], ["b", "enter"])), [])
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], "died", ["b", "enter", { process: "q" }])), [])
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], ["b", "ask"], ["b", "timeout"])), [])
      assert.deepStrictEqual(rulesBroken(told(["a", "enter", { process: "q" }], "died", ["b", "enter"])), ["exclusion"])
    })

    it("who was paused is outside, unless he went on inside afterwards", () => {
      const other: ReadonlyArray<Told> = [["b", "enter", { process: "q" }], ["b", "leave", { process: "q" }]]
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], "paused", ...other, ["a", "lost"])), [])
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], "paused", ...other)), [])
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], "paused", ...other, ["a", "leave"])), ["exclusion"])
      assert.deepStrictEqual(rulesBroken(told(["a", "enter"], "paused", ["a", "leave"], ...other)), [])
      assert.deepStrictEqual(rulesBroken(told("paused", ["a", "enter"], ["b", "enter"])), ["exclusion"])
    })

    it("finds who entered before one ahead of him", () => {
      const history = told(
        ["a", "ask"],
        ["b", "ask"],
        ["a", "queued"],
        ["b", "queued"],
        ["b", "enter"],
        ["b", "leave"],
        ["a", "enter"],
        ["a", "leave"]
      )
      assert.deepStrictEqual(rulesBroken(history), [])
      assert.deepStrictEqual(rulesBroken(history, { line: "queued" }), ["line"])
      // Both were asking at the same time: either may be first.
      assert.deepStrictEqual(rulesBroken(history, { line: "asked" }), [])
    })

    it("finds who was let in while one ahead of him still waits, but not behind one who gave up or died", () => {
      const start: ReadonlyArray<Told> = [["a", "ask"], ["a", "queued"], ["b", "ask", { process: "q" }], [
        "b",
        "queued",
        {
          process: "q"
        }
      ]]
      const enter: Told = ["b", "enter", { process: "q" }]
      assert.deepStrictEqual(rulesBroken(told(...start, enter), { line: "asked" }), ["line"])
      assert.deepStrictEqual(rulesBroken(told(...start, enter, ["a", "timeout"]), { line: "asked" }), [])
      assert.deepStrictEqual(rulesBroken(told(...start, "died", enter), { line: "asked" }), [])
    })

    it("with tokens the line is that of the grants, not that of telling", () => {
      const history = (a: bigint, b: bigint) =>
        told(["a", "ask"], ["a", "queued"], ["b", "ask"], ["b", "queued"], ["b", "enter", { token: b }], [
          "a",
          "enter",
          {
            token: a
          }
        ])
      assert.deepStrictEqual(rulesBroken(history(1n, 2n), { line: "asked", limit: 2 }), [])
      assert.deepStrictEqual(rulesBroken(history(2n, 1n), { line: "asked", limit: 2 }), ["line"])
    })

    it("finds a token that does not rise", () => {
      const history = (...tokens: ReadonlyArray<bigint>) =>
        told(...tokens.flatMap((token, n): Array<Told> => [
          [`a${n}`, "ask"],
          [`a${n}`, "enter", { token }],
          [`a${n}`, "leave"]
        ]))
      for (const limit of [1, 2]) {
        assert.deepStrictEqual(rulesBroken(history(1n, 5n, 6n), { limit }), [])
        assert.deepStrictEqual(rulesBroken(history(1n, 1n), { limit }), ["tokens"])
        assert.deepStrictEqual(rulesBroken(history(5n, 6n, 4n, 7n), { limit }), ["tokens"])
      }
    })

    it("finds what an actor cannot have done", () => {
      for (
        const history of [
          told(["a", "leave"]),
          told(["a", "lost"]),
          told(["a", "ask"], ["a", "ask"]),
          told(["a", "enter"], ["a", "enter"]),
          told(["a", "enter"], ["a", "timeout"]),
          told(["a", "enter"], ["a", "leave"], ["a", "leave"])
        ]
      ) assert.deepStrictEqual(rulesBroken(history), ["shape"])
    })

    it.effect.prop(
      "a fair lock breaks no rule, whichever way its history is shuffled",
      [Requests],
      ([requests]) =>
        Effect.sync(() => {
          for (const limit of [3, 4]) {
            const history = told(...fairLock(requests, limit, rising))
            for (const line of ["queued", "asked"] as const) {
              assert.deepStrictEqual(History.check(history.toReversed(), { limit, line }), [])
            }
          }
        })
    )

    it.effect.prop("a lock that lets one in too early breaks exclusion", [Requests], ([requests]) =>
      Effect.sync(() => {
        const lines = fairLock(exclusive(requests), 1, rising)
        const leaves = lines.findIndex(([, kind]) => kind === "leave")
        const early = told(
          ...lines.slice(0, leaves),
          ...lines.slice(leaves, leaves + 2).toReversed(),
          ...lines.slice(leaves + 2)
        )
        assert.deepStrictEqual(rulesBroken(early, { line: "queued" }), ["exclusion"])
      }))

    it.effect.prop(
      "two tokens that changed places break the tokens and the line",
      [Requests],
      ([requests]) =>
        Effect.sync(() => {
          const swapped = told(...fairLock(exclusive(requests), 1, (place) => place < 2 ? 1 - place : place))
          assert.deepStrictEqual(rulesBroken(swapped, { line: "queued" }), ["line", "tokens"])
        })
    )
  })

  describe("records", () => {
    it.effect("adds the process and the time", () =>
      Effect.gen(function*() {
        const events: Array<History.Event> = []
        const before = process.hrtime.bigint()
        yield* History.record({ kind: "ask", actor: "a", key: "k" }).pipe(
          Effect.andThen(History.record({ kind: "died", process: "other" })),
          Effect.provide(History.layerMemory(events))
        )
        assert.deepStrictEqual(events.map(({ kind, process }) => [kind, process]), [["ask", `${process.pid}`], [
          "died",
          "other"
        ]])
        const times = [before, ...events.map((event) => event.at), process.hrtime.bigint()]
        assert.deepStrictEqual(times.toSorted((a, b) => Number(a - b)), times)
      }))

    it.effect.prop("what was written is read", [Schema.Array(History.Event)], ([events]) =>
      Effect.gen(function*() {
        const lines = events.map((event) => `${Schema.encodeSync(Schema.fromJsonString(History.Event))(event)}\n`)
        const read = yield* History.parse(`starting\n${lines.join("ready\n")}`)
        assert.deepStrictEqual(read, events.toSorted((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
      }))

    it.effect("a torn last line is passed over, any other is an error", () =>
      Effect.gen(function*() {
        const line = `{"process":"p","at":"1","kind":"died"}\n`
        assert.lengthOf(yield* History.parse(`${line}${line.slice(0, 20)}`), 1)
        const error = yield* Effect.flip(History.parse(`${line}{"process":\n${line}`))
        assert.deepStrictEqual([error._tag, error.line], ["MalformedHistory", 2])
      }))

    it.live("processes write one file without mixing lines, on one clock", () =>
      Effect.gen(function*() {
        const path = yield* tempFile
        const before = process.hrtime.bigint()
        yield* Effect.all([child(path, "a"), child(path, "b")], { concurrency: "unbounded" })
        const after = process.hrtime.bigint()
        const events = yield* History.read(path)
        assert.lengthOf(events, 400)
        assert.strictEqual(new Set(events.map((event) => event.process)).size, 2)
        assert.isTrue(events.every((event) => before < event.at && event.at < after))
        assert.deepStrictEqual(History.check(events), [])
      }))

    it.live("a child's lines come by its stdout", () =>
      Effect.gen(function*() {
        const { stdout } = yield* child("-", "a")
        assert.lengthOf(yield* History.parse(stdout), 200)
      }))
  })
})
