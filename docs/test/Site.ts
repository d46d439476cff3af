// Builds the site and serves it on loopback for the tests in the browser.
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { createReadStream, existsSync } from "node:fs"
import { createServer } from "node:http"
import { extname, join, normalize } from "node:path"
import { promisify } from "node:util"
import * as Browser from "../../packages/testkit/src/Browser.ts"

/** Where the site is, what shows it, and how to take it down. */
export interface Site {
  readonly url: string
  readonly chromium: { readonly path: string; readonly env: Record<string, string> }
  readonly close: () => Promise<void>
}

const types = new Map(
  Object.entries({ ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" })
)

export const serve = async (): Promise<Site> => {
  const root = new URL("../..", import.meta.url).pathname
  const [chromium] = await Promise.all([
    Effect.runPromise(Browser.chromium),
    promisify(execFile)("npm", ["run", "--silent", "docs:build"], {
      cwd: root,
      env: { ...process.env, NODE_ENV: "production" }
    })
  ])
  const dist = join(root, "docs/.vitepress/dist")
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://site").pathname)
    const file = [path, `${path}.html`, join(path, "index.html")].map((name) => join(dist, name)).find((name) =>
      extname(name) !== "" && existsSync(name)
    )
    response.writeHead(file === undefined ? 404 : 200, {
      "content-type": types.get(extname(file ?? "")) ?? "application/octet-stream"
    })
    if (file === undefined) response.end()
    else createReadStream(file).pipe(response)
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    chromium: { path: chromium.path, env: { ...chromium.env } },
    close: () => new Promise((closed) => server.close(() => closed()))
  }
}
