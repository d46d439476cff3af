import { type Tally, tally, type TallyOf } from "../../internal/Tally.ts"

export const appendedTally: TallyOf<"appended"> = tally("heddle_log_appended_total", {
  description: "Entries that this process has appended",
  type: "counter",
  label: "log",
  zero: { appended: 0 }
})

/** How often which end came. */
export type ConsumedTally = Tally<"handled" | "failed" | "undecodable" | "interrupted">

export const consumedTally: TallyOf<keyof ConsumedTally> = tally("heddle_log_consumed_total", {
  description: "Entries that consumers of this process have worked on, by what became of them",
  type: "counter",
  label: "log",
  by: "outcome",
  zero: { handled: 0, failed: 0, undecodable: 0, interrupted: 0 }
})

export type CommitTally = Tally<"made" | "failed" | "replaced">

export const commitTally: TallyOf<keyof CommitTally> = tally("heddle_log_commits_total", {
  description: "Commits of positions, by what became of them",
  type: "counter",
  label: "log",
  by: "outcome",
  zero: { made: 0, failed: 0, replaced: 0 }
})
