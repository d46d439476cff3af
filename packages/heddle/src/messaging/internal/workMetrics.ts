import { type Tally, tally, type TallyOf } from "../../internal/Tally.ts"

/** How often which end came. */
export type WorkTally = Tally<"Completed" | "Retried" | "Dead" | "HandedBack" | "lost">

export const workTally: TallyOf<keyof WorkTally> = tally("heddle_jobs_total", {
  description: "Jobs that this process has worked on, by what became of them",
  type: "counter",
  label: "queue",
  by: "outcome",
  zero: { Completed: 0, Retried: 0, Dead: 0, HandedBack: 0, lost: 0 }
})

export const runningTally: TallyOf<"running"> = tally("heddle_jobs_running", {
  description: "Jobs that this process works on",
  type: "gauge",
  label: "queue",
  zero: { running: 0 }
})
