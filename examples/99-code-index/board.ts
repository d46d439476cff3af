import * as Arr from "effect/Array"
import type { News } from "./run.ts"

/** What is known of a worker. */
export interface Row {
  readonly worker: number
  does: string
  chunks: number
  merges: number
  circuit: string
  /** How often its circuit has opened. */
  opened: number
  isGone: boolean
}

/** Who does what, as far as it was told. */
export interface Board {
  readonly total: number
  readonly rows: ReadonlyArray<Row>
  readonly merged: Set<number>
  planned: number
  leader: number | undefined
  /** How many have led, one after another. */
  terms: number
}

export const make = (workers: number, total: number): Board => ({
  total,
  rows: Arr.makeBy(workers, (index) => ({
    worker: index + 1,
    does: "starts",
    chunks: 0,
    merges: 0,
    circuit: "closed",
    opened: 0,
    isGone: false
  })),
  merged: new Set(),
  planned: 0,
  leader: undefined,
  terms: 0
})

/** A worker is no more. */
export const leave = (board: Board, worker: number, why: string): void => {
  const row = board.rows[worker - 1]
  if (row === undefined) return
  row.isGone = true
  row.does = why
  if (board.leader === worker) board.leader = undefined
}

/** Notes what was told. What came late of somebody who is gone changes nothing of what it does. */
export const note = (board: Board, news: News): void => {
  const row = board.rows[news.worker - 1]
  if (row === undefined) return
  const doing = (what: string) => {
    if (!row.isGone) row.does = what
  }
  switch (news._tag) {
    case "Leads":
      board.leader = news.worker
      board.terms++
      return
    case "Planned":
      board.planned += news.chunks
      return
    case "Parses":
      return doing(`parses chunk ${news.chunk}`)
    case "Waits":
      return doing(`waits for the lock with ${news.chunks} chunks`)
    case "Holds":
      return doing("merges under the lock")
    case "StandsStill":
      return doing("stands still under the lock")
    case "Circuit":
      row.circuit = news.state
      if (news.state === "open") row.opened++
      return
    case "Failed":
      return doing(`tries again: ${news.message}`)
    case "Merged":
      row.merges++
      row.chunks += news.chunks.length
      for (const chunk of news.chunks) board.merged.add(chunk)
      return doing("has merged")
  }
}
