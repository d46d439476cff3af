/**
 * Prometheus, for tests of what it is given to read.
 *
 * It is looked for as the servers are: on `PATH`, in the usual folders, in the cache, and else fetched into the cache (about 20 MB), where
 * apt-get and dpkg-deb exist. What is not found is a `ServerError`, never a skipped test.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { dirname, join } from "node:path"
import { find, type Program } from "./internal/Binaries.ts"
import * as Ports from "./internal/Ports.ts"
import * as Server from "./Server.ts"

const program: Program = {
  command: "prometheus",
  debian: "prometheus",
  brew: "prometheus",
  variable: "PATH",
  example: "/opt/prometheus"
}

/**
 * A Prometheus that reads `/metrics` of one address, such as `127.0.0.1:8080`, each second.
 *
 * @since 0.1.0
 * @category servers
 */
export const scraping = (target: string): Effect.Effect<Server.Server, Server.ServerError, Scope.Scope> =>
  Effect.gen(function*() {
    const { env, path } = yield* find(program)
    const port = yield* Ports.reserve
    const url = `http://127.0.0.1:${port}`
    const settings = [
      "global: { scrape_interval: 1s, scrape_timeout: 1s }",
      `scrape_configs: [{ job_name: app, static_configs: [{ targets: ["${target}"] }] }]`
    ]
    return yield* Server.make({
      name: "prometheus",
      port,
      url,
      command: (data) => {
        const file = join(data, "prometheus.yml")
        const write = `printf '%s\\n' ${settings.map((line) => `'${line}'`).join(" ")} >'${file}'`
        const flags = [
          `--config.file='${file}'`,
          `--web.listen-address=127.0.0.1:${port}`,
          `--storage.tsdb.path='${data}'/tsdb`
        ]
        return ["/bin/sh", "-c", `${write} && exec '${path}' ${flags.join(" ")}`]
      },
      env,
      ready: Effect.tryPromise((signal) => fetch(`${url}/-/ready`, { signal })).pipe(
        Effect.match({ onFailure: () => false, onSuccess: ({ ok }) => ok })
      )
    })
  })

/**
 * What `promtool check metrics` says of a text for Prometheus: nothing, if it is content.
 *
 * **Interruption**
 *
 * Kills the tool.
 *
 * @since 0.1.0
 * @category checks
 */
export const complaints = (text: string): Effect.Effect<string, Server.ServerError> =>
  Effect.flatMap(find(program), ({ env, path }) =>
    Effect.callback((resume) => {
      const tool = spawn(join(dirname(path), "promtool"), ["check", "metrics"], { env: { ...process.env, ...env } })
      let said = ""
      const hear = (data: Buffer) => void (said += data.toString())
      tool.stdout.on("data", hear)
      tool.stderr.on("data", hear)
      tool.stdin.on("error", () => {})
      tool.once("error", ({ message }) =>
        resume(Effect.fail(new Server.ServerError({ server: "promtool", reason: "Missing", message }))))
      tool.once("close", (code) =>
        resume(Effect.succeed(code === 0 || said !== "" ? said : `promtool ended with ${code}`)))
      tool.stdin.end(text)
      return Effect.sync(() =>
        tool.kill("SIGKILL")
      )
    }))
