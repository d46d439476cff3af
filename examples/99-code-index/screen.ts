import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Board } from "./board.ts"

/** How the work goes on, for the one who watches. */
export interface Screen {
  readonly show: (board: Board) => Effect.Effect<void>
  readonly say: (line: string) => Effect.Effect<void>
}

const width = 40

/** Who does what, a line each. */
export const table = ({ leader, merged, planned, rows, total }: Board): ReadonlyArray<string> => {
  const full = Math.round(merged.size / total * width)
  return [
    `  worker         ${"does".padEnd(44)}chunks  merges  circuit`,
    ...rows.map((row) =>
      [
        `  ${String(row.worker).padEnd(6)} ${(row.worker === leader ? "leads" : row.isGone ? "gone" : "").padEnd(7)}`,
        row.does.slice(0, 43).padEnd(43),
        String(row.chunks).padStart(6),
        String(row.merges).padStart(7),
        ` ${row.circuit}${row.opened === 0 ? "" : `, opened ${row.opened}×`}`
      ].join(" ")
    ),
    `  ${"█".repeat(full)}${"░".repeat(width - full)} ${merged.size}/${total} chunks merged, ${planned} planned`
  ]
}

/** A line for each tenth, and what is said. */
const lines = Effect.sync((): Screen => {
  let told = 0
  return {
    say: (line) => write(`${line}\n`),
    show: ({ merged, total }) => {
      const tenth = Math.floor(merged.size * 10 / total)
      if (tenth <= told) return Effect.void
      told = tenth
      return write(`${merged.size}/${total} chunks merged\n`)
    }
  }
})

/** A table that changes in its place, and above it what is said. The scope takes it away. */
const live = Effect.gen(function*() {
  let shown: ReadonlyArray<string> = []
  let height = 0
  let drawn = 0
  const draw = (above: string) => {
    const columns = process.stdout.columns > 0 ? process.stdout.columns : 80
    const cut = shown.map((line) => line.slice(0, columns - 1))
    const up = height > 0 ? `\x1b[${height}A` : ""
    height = cut.length
    return write(`${up}\r\x1b[J${above}${cut.map((line) => `${line}\n`).join("")}`)
  }
  yield* Effect.addFinalizer(() => {
    shown = []
    return draw("")
  })
  return {
    say: (line: string) => draw(`${line}\n`),
    show: (board: Board) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        shown = table(board)
        if (now - drawn < 50) return Effect.void
        drawn = now
        return draw("")
      })
  }
})

/** A table on a terminal, and lines elsewhere. */
export const make = Effect.suspend(() => process.stdout.isTTY ? live : lines)

const write = (text: string) => Effect.sync(() => void process.stdout.write(text))
