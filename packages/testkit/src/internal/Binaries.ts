import * as Effect from "effect/Effect"
import { accessSync, constants, existsSync, readdirSync } from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"
import { ServerError } from "../Server.ts"
import { fetch } from "./Rootless.ts"

/** A server program and where it comes from. */
export interface Program {
  /** The file to run, for example `redis-server`. */
  readonly command: string
  /** The Debian package that holds it. */
  readonly debian: string
  /** The Homebrew formula that holds it. */
  readonly brew: string
  /** The variable that names running servers to use instead, comma separated. */
  readonly variable: string
  /** An example of its value. */
  readonly example: string
}

/** A program that was found, and what must be in its environment. */
export interface Binary {
  readonly path: string
  readonly env: Record<string, string>
}

/** The addresses of running servers, from the program's variable. */
export const given = (program: Program): ReadonlyArray<string> =>
  (process.env[program.variable] ?? "").split(",").map((address) => address.trim()).filter((address) => address !== "")

/**
 * Finds a server program: on `PATH`, in the usual folders, in the cache, and else fetches it into the cache where
 * `apt-get` and `dpkg-deb` exist (no root, nothing is installed).
 */
export const find = (program: Program): Effect.Effect<Binary, ServerError> =>
  Effect.suspend(() => {
    const installed = search([...(process.env["PATH"] ?? "").split(delimiter), ...folders("/")], program.command)
    if (installed !== undefined) return Effect.succeed({ path: installed, env: {} })
    const root = join(cacheFolder(), "services", program.command)
    const cached = fetched(root, program.command)
    if (cached !== undefined) return Effect.succeed(cached)
    return fetch(program.debian, root).pipe(
      Effect.mapError((reason) => missing(program, root, reason)),
      Effect.flatMap(() =>
        Effect.suspend(() => {
          const binary = fetched(root, program.command)
          return binary === undefined
            ? Effect.fail(missing(program, root, `the package ${program.debian} does not hold it`))
            : Effect.succeed(binary)
        })
      )
    )
  })

const missing = (program: Program, root: string, reason: string): ServerError =>
  new ServerError({
    server: program.command,
    reason: "Missing",
    message: [
      `${program.command} was not found on PATH, in the usual folders or in ${root}, and could not be fetched: ${reason}`,
      `Install it (Debian, Ubuntu: apt-get install ${program.debian}; macOS: brew install ${program.brew}),`,
      `or set ${program.variable} to a running one (${program.example}).`
    ].join("\n")
  })

/** `HEDDLE_CACHE`, else `.cache` in the repository around the working directory, else in the working directory. */
const cacheFolder = (): string => {
  const given = process.env["HEDDLE_CACHE"]
  if (given !== undefined && given !== "") return resolve(given)
  let folder = process.cwd()
  while (![".git", "package-lock.json"].some((mark) => existsSync(join(folder, mark)))) {
    if (folder === dirname(folder)) return join(process.cwd(), ".cache")
    folder = dirname(folder)
  }
  return join(folder, ".cache")
}

const fetched = (root: string, command: string): Binary | undefined => {
  const path = search(folders(root), command)
  if (path === undefined) return undefined
  const libraries = ["usr/lib", "lib"].flatMap((folder) =>
    list(join(root, folder)).filter((name) => name.includes("-linux-")).map((name) => join(root, folder, name))
  )
  return { path, env: { LD_LIBRARY_PATH: libraries.join(delimiter) } }
}

const folders = (root: string): ReadonlyArray<string> => [
  ...["usr/local/bin", "usr/bin", "usr/sbin", "opt/homebrew/bin", "usr/lib/rabbitmq/bin"].map((path) =>
    join(root, path)
  ),
  ...[...list(join(root, "usr/lib/postgresql"))].sort((a, b) => Number(b) - Number(a)).map((version) =>
    join(root, "usr/lib/postgresql", version, "bin")
  )
]

const search = (folders: ReadonlyArray<string>, command: string): string | undefined =>
  folders.filter((folder) => folder !== "").map((folder) => join(folder, command)).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })

const list = (folder: string): ReadonlyArray<string> => existsSync(folder) ? readdirSync(folder) : []
