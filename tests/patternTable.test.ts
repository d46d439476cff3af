import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { rows } from "../scripts/patternTable.ts"

const root = new URL("..", import.meta.url).pathname
const readme = readFileSync(`${root}README.md`, "utf8")
const table = rows(root)

test("the table is read", () => {
  expect(table.find(({ pattern }) => pattern === "DistributedLock")?.backends).toEqual(
    expect.arrayContaining(["memory", "redis", "etcd", "postgres"])
  )
})

test.each(table)("README has one row for $pattern, with its backends", ({ backends, page, pattern }) => {
  const lines = readme.split("\n").filter((line) => line.startsWith(`| [\`${pattern}\`](docs/patterns/${page}.md)`))
  expect(lines).toHaveLength(1)
  expect(lines[0]?.match(/✓/g) ?? []).toHaveLength(backends.length)
})
