import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { existsSync, globSync, readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { examples, flagship, inOrder } from "../examples/00-tour/catalogue.ts"

const all = await Effect.runPromise(Effect.provide(examples, NodeServices.layer))
const folders = globSync("examples/[0-9][0-9]-*").filter((folder) => !folder.endsWith("00-tour")).sort()

test("the menu has every example's folder, once, and the flagship first", () => {
  expect(all.map(({ folder }) => folder.slice(folder.indexOf("examples/")))).toEqual(folders)
  expect(new Set(all.map(({ number }) => number)).size).toBe(all.length)
  expect(inOrder(all)[0]?.number).toBe(flagship)
})

test.each(all)("$number says in a line what to watch for, and has a program, a test and a page", (example) => {
  expect(example.title).toMatch(/^[A-Z].{2,22}$/)
  expect(example.watch).toMatch(/^.{20,86}$/)
  expect(example.watch).not.toMatch(/\.$/)
  const files = ["main.ts", "main.test.ts", "README.md"]
  expect(files.filter((file) => existsSync(`${example.folder}/${file}`))).toEqual(files)
})

test.each(all)("$number runs on the backends whose names its program knows", ({ backends, folder }) => {
  const sources = globSync(`${folder}/*.ts`).filter((file) => !file.endsWith(".test.ts"))
  const code = sources.map((file) => readFileSync(file, "utf8")).join("\n")
  for (const backend of backends.slice(1)) expect(code).toContain(`@heddle/${backend}`)
})

test.each(["README.md", "docs/start.md"])("%s says how to take the tour", (page) => {
  const text = readFileSync(page, "utf8")
  for (const command of ["npm start", "npm start -- 07", "--backend redis"]) expect(text).toContain(command)
})
