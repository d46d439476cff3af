/**
 * A browser for tests of pages.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { type Binary, find } from "./internal/Binaries.ts"
import type { ServerError } from "./Server.ts"

/**
 * Where Chromium is, and what must be in its environment. Looked for as the servers are: on `PATH`, in the usual folders, in the cache, and
 * else fetched into the cache (about 100 MB), where apt-get and dpkg-deb exist.
 *
 * @since 0.1.0
 * @category browsers
 */
export const chromium: Effect.Effect<Binary, ServerError> = Effect.map(
  find({
    command: "chromium",
    debian: "chromium",
    brew: "chromium",
    variable: "PATH",
    example: "/opt/chromium/bin"
  }),
  ({ env, path }) => {
    // Debian's launcher knows the program by its place on an installed system.
    const program = join(dirname(path), "../lib/chromium/chromium")
    if (!existsSync(program)) return { path, env }
    // Its sound library looks for a part of itself in a folder that only the system's linker knows.
    const folders = (env["LD_LIBRARY_PATH"] ?? "").split(delimiter).filter((folder) => folder !== "")
    const all = folders.flatMap((folder) => [folder, join(folder, "pulseaudio")])
    return { path: program, env: all.length === 0 ? env : { ...env, LD_LIBRARY_PATH: all.join(delimiter) } }
  }
)
