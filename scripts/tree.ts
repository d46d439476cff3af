// The rules that the house keeps about itself, as functions over a tree of files, so that a test can hold them against the
// real tree and against small broken ones.
import { builtinModules } from "node:module"
import { posix } from "node:path"
import { parseSync } from "rolldown/utils"

/** Paths from the root of the repository, with their text. */
export type Tree = ReadonlyMap<string, string>

/** What is wrong, one line each, with the path first. */
export type Violations = ReadonlyArray<string>

/** The libraries beside Heddle and Effect that a package's sources may import. A new backend adds its line. */
const libraries: Readonly<Record<string, ReadonlyArray<string>>> = {
  heddle: [],
  testkit: ["vitest", "@effect/vitest", "node"],
  redis: ["ioredis", "node"],
  etcd: ["@grpc/grpc-js", "@bufbuild/protobuf", "node"],
  nats: ["@nats-io/transport-node", "@nats-io/jetstream", "node"],
  rabbitmq: ["amqplib", "node"],
  grpc: ["@grpc/grpc-js", "@bufbuild/protobuf", "node"],
  postgres: ["@effect/sql-pg", "node"]
}

const lawsOf: Readonly<Record<string, string>> = {
  LeaseStore: "leaseStoreLaws",
  KvStore: "kvStoreLaws",
  JobStore: "jobStoreLaws",
  Broker: "brokerLaws"
}

const longestFile = 250
const storeFile = new RegExp(`(${Object.keys(lawsOf).join("|")})\\.ts$`)

const isGenerated = (text: string): boolean => /^\/\/ @generated\b/m.test(text)

const parse = (path: string, text: string) => {
  const { module, comments, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const code = comments.reduce(
    (code, { start, end }) => code.slice(0, start) + text.slice(start, end).replace(/[^\n]/g, " ") + code.slice(end),
    text
  )
  const specifiers = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])
    ),
    ...module.dynamicImports.map(({ moduleRequest }) =>
      text.slice(moduleRequest.start, moduleRequest.end).replace(/^["'`]|["'`]$/g, "")
    )
  ]
  return { code, specifiers: [...new Set(specifiers)] }
}

const isRelative = (specifier: string): boolean => specifier.startsWith(".")

/** `@grpc/grpc-js/build/x` belongs to `@grpc/grpc-js`, `node:fs` and `fs` to `node`. */
const libraryOf = (specifier: string): string => {
  if (specifier.startsWith("node:") || builtinModules.includes(specifier)) return "node"
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")
}

const nameOf = (room: string): string => room === "heddle" ? room : `@heddle/${room}`

/**
 * Core imports Effect, a backend core and its client library, and nobody a sibling or what is internal to another. A test may also
 * have its scene from an example.
 */
export const importDirections = (tree: Tree): Violations =>
  Array.from(tree).flatMap(([path, text]) => {
    const [, room, part] = /^packages\/([^/]+)\/([^/]+)\//.exec(path) ?? []
    const say = (specifier: string, why: string): string => `${path}: "${specifier}" ${why}`
    return parse(path, text).specifiers.flatMap((specifier) => {
      if (isRelative(specifier)) {
        const target = posix.join(posix.dirname(path), specifier)
        if (part === "src" && !target.startsWith(`packages/${room}/src/`)) {
          return [say(specifier, "leaves the sources of its package")]
        }
        // A global setup of vitest resolves no source condition, so scripts/ has to name the file.
        const byPath = path.startsWith("scripts/") && !target.includes("/internal/")
        if (target.startsWith("packages/") && !target.startsWith(`packages/${room}/`) && !byPath) {
          return [say(specifier, "reaches into a package by path; import it by name")]
        }
        return []
      }
      const library = libraryOf(specifier)
      const isOurs = library === "heddle" || library.startsWith("@heddle/")
      if (isOurs && specifier.split("/").includes("internal")) return [say(specifier, "is internal to another package")]
      if (room === undefined) return []
      const known = libraries[room]
      if (known === undefined) return [`${path}: scripts/tree.ts does not say what packages/${room} may import`]
      if (part === "src") {
        const allowed = ["effect", ...(room === "heddle" ? [] : ["heddle"]), ...known]
        return allowed.includes(library) ? [] : [say(specifier, `is not for packages/${room}/src`)]
      }
      const allowed = ["heddle", "@heddle/testkit", nameOf(room)]
      const isExample = library.startsWith("@heddle/example-")
      return isOurs && !isExample && !allowed.includes(library) ? [say(specifier, "is a sibling backend")] : []
    })
  })

/** A package's sources import nothing that its own package.json does not promise to bring. */
export const declaredDependencies = (tree: Tree): Violations =>
  Array.from(tree).flatMap(([path, text]) => {
    const room = /^packages\/([^/]+)\/src\//.exec(path)?.[1]
    if (room === undefined) return []
    const { dependencies, peerDependencies } = JSON.parse(tree.get(`packages/${room}/package.json`) ?? "{}")
    const declared = { ...dependencies, ...peerDependencies }
    return parse(path, text).specifiers
      .filter((specifier) =>
        !isRelative(specifier) && libraryOf(specifier) !== "node" && !(libraryOf(specifier) in declared)
      )
      .map((specifier) => `${path}: "${specifier}" is not in packages/${room}/package.json`)
  })

/** Every store, in memory and on each backend, runs the laws of its contract in a test of the same name. */
export const storesRunTheirLaws = (tree: Tree): Violations =>
  Array.from(tree.keys()).flatMap((path) => {
    const [, room, file] = /^packages\/([^/]+)\/src\/(?:[^/]+\/)*([^/]+\.ts)$/.exec(path) ?? []
    const laws = lawsOf[storeFile.exec(file ?? "")?.[1] ?? ""]
    if (file === undefined || laws === undefined || room === "testkit" || path.includes("/internal/")) return []
    const test = Array.from(tree).find(([path]) =>
      path.startsWith(`packages/${room}/test/`) && posix.basename(path) === file.replace(".ts", ".test.ts")
    )
    if (test === undefined) return [`${path}: packages/${room}/test has no ${file.replace(".ts", ".test.ts")}`]
    const { code } = parse(...test)
    if (!code.includes(`${laws}(`)) return [`${test[0]}: does not run ${laws}`]
    return code.includes(file.replace(".ts", ".")) ? [] : [`${test[0]}: runs ${laws} on something else than ${file}`]
  })

const offSwitch =
  /\b(?:x(?:it|test|describe)\b|(?:it|test|describe|suite|layer)(?:\s*\.\s*\w+)*\s*\.\s*(?:skip|only|todo|skipIf|runIf)\b)/

/** No test is switched off, switches the others off, or is only promised. */
export const everyTestRuns = (tree: Tree): Violations =>
  Array.from(tree).flatMap(([path, text]) => {
    if (!/\.test(-d)?\.ts$/.test(path) && !path.startsWith("packages/testkit/src/")) return []
    const found = offSwitch.exec(parse(path, text).code)
    return found === null ? [] : [`${path}: ${found[0]}`]
  })

/** A source file has one noun; one longer than this, without its comments, has two. */
export const shortFiles = (tree: Tree): Violations =>
  Array.from(tree).flatMap(([path, text]) => {
    if (!/^packages\/[^/]+\/src\/.*\.ts$/.test(path) || isGenerated(text)) return []
    const lines = parse(path, text).code.split("\n").filter((line) => line.trim() !== "").length
    return lines > longestFile ? [`${path}: ${lines} lines of code, at most ${longestFile}`] : []
  })
