import { globSync, readFileSync } from "node:fs"
import { expect, test } from "vitest"

const manifests = globSync("packages/*/package.json").map((path) => JSON.parse(readFileSync(path, "utf8")))
const versions = new Map<string, string>(manifests.map(({ name, version }) => [name, version]))

test("all packages have one version", () => {
  expect(new Set(versions.values()).size).toBe(1)
})

test.each(manifests)("$name goes with the version of the others that there is", ({ dependencies }) => {
  const ours = Object.entries(dependencies ?? {}).filter(([name]) => versions.has(name))
  for (const [name, range] of ours) expect(range).toBe(`^${versions.get(name)}`)
})

test("what is released together is all there is", () => {
  const { fixed } = JSON.parse(readFileSync(".changeset/config.json", "utf8"))
  expect(fixed).toEqual([["heddle", "@heddle/*"]])
  expect([...versions.keys()].filter((name) => name !== "heddle" && !name.startsWith("@heddle/"))).toEqual([])
})

test("every note names a package that there is", () => {
  for (const note of globSync(".changeset/*.md")) {
    const [, head = ""] = readFileSync(note, "utf8").split("---")
    for (const [, name = ""] of head.matchAll(/"([^"]+)":/g)) expect([...versions.keys()]).toContain(name)
  }
})
