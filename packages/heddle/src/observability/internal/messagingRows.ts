import { type MetricRow, rowsOf } from "./MetricRow.ts"

const queue = rowsOf("WorkQueue", { queue: "named" }, "job")

export const messagingRows: ReadonlyArray<MetricRow> = [
  queue.counter("heddle_jobs_total", "Jobs that this process has worked on, by what became of them", {
    outcome: ["Completed", "Retried", "Dead", "HandedBack", "lost"]
  }),
  queue.gauge("heddle_jobs_running", "Jobs that this process works on")
]
