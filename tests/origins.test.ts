import { existsSync, globSync, readFileSync } from "node:fs"
import { basename } from "node:path"
import { expect, test } from "vitest"

const page = readFileSync("docs/origins.md", "utf8")

/** The rows of the first table: cells without their blanks. */
const rows = page.slice(0, page.indexOf("\n## ")).split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| the original") && !line.startsWith("| ---"))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
  .map(([original = "", , example = "", pattern = "", , proof = ""]) => ({ original, example, pattern, proof }))

const files = globSync(["packages/*/{test,typetest}/**/*.ts", "packages/testkit/src/**/*.ts", "examples/*/*.test.ts"])
const names = new Set(files.map((file) => basename(file)))

/** The checks that stand in some of the files. */
const checksIn = (isOne: (file: string) => boolean) =>
  new Set(files.filter(isOne).flatMap((file) => readFileSync(file, "utf8").match(/AC-(?:\d\d\.\d+|E\d)\b/g) ?? []))

/** Whether a row's last cell names a file: by its own name, or as one of the laws, of its example, of the types, of a package. */
const isNamed = (proof: string, example: string) => {
  const named = new Set(Array.from(proof.matchAll(/`([\w.]+\.test\.ts)`/g), ([, name = ""]) => name))
  const [, of = ""] = /tests of `@heddle\/(\w+)`/.exec(proof) ?? []
  return (file: string): boolean =>
    named.has(basename(file)) ||
    (proof.includes("laws") && file.startsWith("packages/testkit/src/")) ||
    (proof.includes("example") && file.startsWith(`${example}/`)) ||
    (proof.includes("types") && file.includes("/typetest/")) ||
    (of !== "" && file.startsWith(`packages/${of}/test/`))
}

/** `AC-22.1 to 22.3, 23.1` is four checks. */
const checksOf = (proof: string): ReadonlyArray<string> =>
  Array.from(proof.matchAll(/(\d\d)\.(\d+)(?: to \1\.(\d+))?|AC-(E\d)/g)).flatMap(([, part, first, last, exercise]) =>
    exercise === undefined
      ? Array.from({ length: Number(last ?? first) - Number(first) + 1 }, (_, at) => `AC-${part}.${Number(first) + at}`)
      : [`AC-${exercise}`]
  )

const linkOf = (cell: string): string => /\]\(([^)]+)\)/.exec(cell)?.[1] ?? ""

test("the page is read", () => {
  expect(rows.length).toBeGreaterThan(30)
  expect(checksOf("`A.test.ts` AC-22.1 to 22.3, 23.1, the example AC-E2")).toEqual([
    "AC-22.1",
    "AC-22.2",
    "AC-22.3",
    "AC-23.1",
    "AC-E2"
  ])
})

test.each(rows)("$original has its example and its page", ({ example, pattern }) => {
  expect(existsSync(`docs/${linkOf(example)}/main.ts`)).toBe(true)
  expect(existsSync(`docs/${linkOf(pattern)}`)).toBe(true)
  expect(linkOf(pattern)).toMatch(/^patterns\//)
})

test.each(rows)("$original names tests that there are, where it says", ({ example, proof }) => {
  const checks = checksIn(isNamed(proof, linkOf(example).replace("../", "")))
  expect(checksOf(proof).filter((check) => !checks.has(check))).toEqual([])
  const named = Array.from(proof.matchAll(/`([\w.]+\.test\.ts)`/g), ([, name = ""]) => name)
  expect(named.filter((name) => !names.has(name))).toEqual([])
  expect(proof).toMatch(/AC-|\.test\.ts|laws|example/)
})
