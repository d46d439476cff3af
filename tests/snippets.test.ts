import { expect, test } from "vitest"
import { extract, toModule } from "../scripts/snippets.ts"

const fence = "```"

test("blocks of a page are found with their line, and told apart by what stands behind ts", () => {
  const page =
    `# Title\n\n${fence}ts\na\n${fence}\n\n${fence}ts no-run\nb\n${fence}\n${fence}ts no-check\nc\n${fence}\n${fence}sh\nd\n${fence}\n`
  expect(extract("x.md", page)).toEqual([
    { file: "x.md", line: 4, code: "a\n", run: true },
    { file: "x.md", line: 8, code: "b\n", run: false }
  ])
})

test("a block of JSDoc loses its stars", () => {
  expect(extract("x.ts", `/**\n * ${fence}ts\n * const a = {\n *   b: 1\n * }\n * ${fence}\n */\n`)).toEqual([
    { file: "x.ts", line: 3, code: "const a = {\n  b: 1\n}\n", run: true }
  ])
})

test("an arrow asserts, on its own line", () => {
  expect(toModule("const n = f()\n\nn + 1 // => 2").split("\n")[2]).toBe("__equals(n + 1, 2)")
  expect(toModule("const n = f() // => 1").split("\n")[0]).toBe("const n = f(); __equals(n, 1)")
})

test("an arrow behind something else neither compiles nor runs", () => {
  expect(toModule("let n = 1 // => 1")).toContain("__equals(0, \"")
  expect(toModule("function f() {\n  g() // => 1\n}")).toContain("__equals(0, \"")
})

test("what a block declares counts as used", () => {
  expect(toModule("const a = 1\nclass B {}\ninterface C {}\nimport \"effect\"")).toContain("export { a, B, type C }")
})

test("code that does not parse is left for tsc to report", () => expect(toModule("const a = =")).toBe("const a = ="))
