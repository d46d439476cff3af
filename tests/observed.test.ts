import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { bare, cuts } from "../bench/observed/cuts.ts"

describe("the benchmark of being observed", () => {
  it("finds in each source what it takes out", () => {
    for (const file of Object.keys(cuts)) {
      const source = readFileSync(`packages/heddle/src/${file}`, "utf8")
      assert.notStrictEqual(bare(file, source), source)
    }
  })
})
