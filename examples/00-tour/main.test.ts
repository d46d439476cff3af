import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Example, examples, lineOf } from "./catalogue.ts"
import { inTerminal, isAlive, piped } from "./Running.ts"
import * as Wish from "./wish.ts"

const example = (number: string): Example => ({
  number,
  folder: `/examples/${number}`,
  title: `Title ${number}`,
  watch: "what to watch for",
  backends: ["memory"],
  readsFlags: false
})

const all = ["01", "07", "99"].map(example)

describe("the command line", () => {
  const runs = (number: string, ...args: ReadonlyArray<string>) => ({ _tag: "Run", example: example(number), args })
  const cases: ReadonlyArray<readonly [args: string, canChoose: boolean, wish: object]> = [
    ["", true, { _tag: "Menu" }],
    ["", false, runs("99")],
    ["--help", true, { _tag: "Help" }],
    ["--all", true, runs("99")],
    ["--backend redis --all", true, runs("99", "--backend", "redis")],
    ["7", true, runs("07")],
    ["07 --backend redis", false, runs("07", "--backend", "redis")],
    ["07 --help", true, runs("07", "--help")],
    ["--backend redis --kill", true, runs("01", "--backend", "redis", "--kill")],
    ["--backend etcd", false, runs("01", "--backend", "etcd")]
  ]
  for (const [args, canChoose, wish] of cases) {
    it.effect(`npm start -- ${args}${canChoose ? "" : " (no terminal)"}`, () =>
      Effect.map(
        Wish.read(args.split(" ").filter((arg) => arg !== ""), all, canChoose),
        (read) => assert.deepStrictEqual<object>(read, wish)
      ))
  }

  it.effect("an unknown number fails with the list, the flagship first", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Wish.read(["77"], all, true))
      assert.strictEqual(error._tag, "UnknownExample")
      assert.match(error.message, /^there is no example 77\. There are:\n {2}99 {2}Title 99 .*\n {2}01 .*\n {2}07 .*$/)
    }))

  it("a line is cut where the terminal ends", () => {
    assert.strictEqual(lineOf(example("07"), 20), "07  Title 07       …")
    assert.strictEqual(lineOf(example("07"), 200), "07  Title 07                  what to watch for")
  })
})

describe("without a terminal", () => {
  it.live("the flagship runs straight through, in plain text", () =>
    Effect.gen(function*() {
      const tour = yield* piped([])
      assert.strictEqual(yield* tour.ended, 0)
      assert.include(tour.output(), "equals the sequential tally: yes")
      assert.match(tour.output(), /killed: worker \d/)
      assert.notInclude(tour.output(), "\x1b")
    }).pipe(Effect.scoped))

  it.live("an unknown number says which there are, and ends with 1", () =>
    Effect.gen(function*() {
      const tour = yield* piped(["77"])
      assert.strictEqual(yield* tour.ended, 1)
      const list = yield* examples
      for (const { number, title } of list) assert.include(tour.output(), `  ${number}  ${title}`)
      assert.isAbove(list.length, 30)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("an example runs on a server, where its address is given or not", () =>
    Effect.gen(function*() {
      const tour = yield* piped(["03", "--backend", "redis"])
      assert.strictEqual(yield* tour.ended, 0)
      assert.match(tour.output(), /redis answers at redis:/)
    }).pipe(Effect.scoped))

  it.live("a backend that an example does not have is refused with those that it has", () =>
    Effect.gen(function*() {
      const tour = yield* piped(["24", "--backend=etcd"])
      assert.strictEqual(yield* tour.ended, 1)
      assert.include(tour.output(), "24 runs on memory, redis, not on etcd")
    }).pipe(Effect.scoped))

  it.live("the code of an example is the code of the tour", () =>
    Effect.gen(function*() {
      const tour = yield* piped(["99", "--workers", "2"])
      assert.strictEqual(yield* tour.ended, 1)
      assert.include(tour.output(), "--calm")
    }).pipe(Effect.scoped))

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`${signal} reaches the example once, and the tour ends after it`, () =>
      Effect.gen(function*() {
        const tour = yield* piped(["30"])
        yield* tour.says("listens ")
        tour.child.kill(signal)
        assert.strictEqual(yield* tour.ended, 130)
        assert.match(tour.output(), new RegExp(`shutdown by ${signal}, clean`))
      }).pipe(Effect.scoped))
  }
})

describe("in a terminal", () => {
  it.live("the menu takes a word or a number, runs the example, comes back, and Esc leaves it", () =>
    Effect.gen(function*() {
      const tour = yield* inTerminal([])
      yield* tour.says("99  Code index")
      yield* tour.types("fan-out\r")
      yield* tour.says("npm start -- 10")
      yield* tour.says("17 succeeded")
      yield* tour.says("99  Code index")
      yield* tour.types("03\r")
      yield* tour.says("Where?")
      yield* tour.says("redis")
      yield* tour.types("\x1b[B\r")
      yield* tour.says("npm start -- 03 --backend redis")
      yield* tour.says("redis answers at")
      yield* tour.says("99  Code index")
      yield* tour.types("\x1b")
      assert.strictEqual(yield* tour.ended, 0)
    }).pipe(Effect.scoped))

  it.live("Ctrl-C ends an example that was chosen, in order, and the tour with it", () =>
    Effect.gen(function*() {
      const tour = yield* inTerminal([])
      yield* tour.says("99  Code index")
      yield* tour.types("graceful\r")
      yield* tour.says("Where?")
      yield* tour.types("\r")
      yield* tour.says("listens ")
      yield* tour.types("\x03")
      assert.strictEqual(yield* tour.ended, 130)
      assert.include(tour.output(), "shutdown by SIGINT, clean")
    }).pipe(Effect.scoped))

  it.live("the flagship shows who does what, and Ctrl-C leaves no worker and no server", () =>
    Effect.gen(function*() {
      const tour = yield* inTerminal(["99", "--backend", "redis"])
      yield* tour.says(/\d +leads +\w/)
      const below = tour.below()
      yield* tour.types("\x03")
      assert.strictEqual(yield* tour.ended, 130)
      // The tour, the example, its four workers, and the server.
      assert.isAtLeast(below.length, 7)
      assert.deepStrictEqual(below.filter(isAlive), [])
    }).pipe(Effect.scoped))
})
