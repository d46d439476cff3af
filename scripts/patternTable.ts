// Which pattern there is in which area, and which backend has it: read from the names of files and from what they import.
import { globSync, readFileSync } from "node:fs"
import { basename } from "node:path"

export interface Row {
  readonly pattern: string
  readonly area: string
  /** The page in docs/patterns, without its ending. */
  readonly page: string
  readonly sentence: string
  /** Empty for a pattern of one process. */
  readonly backends: ReadonlyArray<string>
}

/** The stores, in the order in which a pattern's own store is looked for. */
const stores = ["LeaseStore", "KvStore", "JobStore", "Broker", "LogStore"]

const between = new Set(["coordination", "messaging"])

const storeOf = (root: string, area: string, pattern: string): string | undefined => {
  const code = readFileSync(`${root}/packages/heddle/src/${area}/${pattern}.ts`, "utf8")
  const direct = stores.find((store) => new RegExp(`from "\\./${store}\\.ts"`).test(code))
  if (direct !== undefined) return direct
  // It stands on another pattern, and that one on a store.
  const others = Array.from(code.matchAll(/from "\.\/(\w+)\.ts"/g), ([, other = ""]) => other)
  return others.filter((other) => other !== pattern && /^(Leader|Distributed|Kv$|Singleton|Work|Topic)/.test(other))
    .map((other) => storeOf(root, area, other)).find((store) => store !== undefined)
}

/** What a pattern needs of a store's layer that not every backend has. */
const needs = new Map([["RequestReply", "layerOfGroups"]])

const backendsOf = (root: string, store: string, pattern: string): ReadonlyArray<string> => [
  "memory",
  ...globSync(`packages/*/src/*${store}.ts`, { cwd: root }).filter((file) =>
    readFileSync(`${root}/${file}`, "utf8").includes(needs.get(pattern) ?? "")
  ).map((file) => file.split("/")[1] ?? "").filter((name) => name !== "heddle" && name !== "testkit")
]

const pageOf = (pattern: string): string => pattern.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase()

/** One row for each page in docs/patterns whose module there is, in the order of their names. */
export const rows = (root: string): ReadonlyArray<Row> => {
  const pages = new Set(globSync("docs/patterns/*.md", { cwd: root }).map((file) => basename(file, ".md")))
  const modules = globSync("packages/heddle/src/*/*.ts", { cwd: root }).sort()
  const found = modules.flatMap((file): ReadonlyArray<Row> => {
    const [, , , area = ""] = file.split("/")
    const pattern = basename(file, ".ts")
    const page = pageOf(pattern)
    if (!pages.has(page)) return []
    const [, , sentence = ""] = readFileSync(`${root}/docs/patterns/${page}.md`, "utf8").split("\n")
    const store = between.has(area) ? storeOf(root, area, pattern) : undefined
    const backends = store === undefined ? [] : [...new Set(backendsOf(root, store, pattern))]
    return [{ pattern, area, page, sentence, backends }]
  })
  return found.sort((one, other) => one.pattern < other.pattern ? -1 : 1)
}
