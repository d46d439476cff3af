import * as Effect from "effect/Effect"

/** How the work goes on, for the one who waits. */
export interface Progress {
  readonly done: (done: number, total: number) => Effect.Effect<void>
  readonly say: (line: string) => Effect.Effect<void>
}

/** Lines. */
const lines: Progress = {
  done: (done, total) => done % 50 === 0 || done === total ? write(`${done}/${total} files\n`) : Effect.void,
  say: (line) => write(`${line}\n`)
}

/** A bar on a terminal's last line, and what is said above it. The scope takes it away. */
const bar = Effect.gen(function*() {
  let shown = ""
  const show = (line: string) => write(`\r\x1b[K${line}${shown}`)
  yield* Effect.addFinalizer(() => {
    shown = ""
    return show("")
  })
  return {
    done: (done: number, total: number) => {
      const full = Math.round(done / total * width)
      shown = `${"█".repeat(full)}${"░".repeat(width - full)} ${done}/${total} files`
      return show("")
    },
    say: (line: string) => show(`${line}\n`)
  }
})

/** A bar on a terminal, and lines elsewhere. */
export const make = Effect.suspend(() => process.stdout.isTTY ? bar : Effect.succeed(lines))

const width = 40
const write = (text: string) => Effect.sync(() => void process.stdout.write(text))
