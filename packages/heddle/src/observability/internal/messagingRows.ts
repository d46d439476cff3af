import { type MetricRow, rowsOf } from "./MetricRow.ts"

const queue = rowsOf("WorkQueue", { queue: "named" }, "job")
const brokers = ["memory", "redis", "postgres", "nats", "rabbitmq"]
const topic = rowsOf("Topic", { backend: brokers }, "message")
const log = rowsOf("Log", { log: "named" }, "entry")
const outbox = rowsOf("PostgresOutbox", { outbox: "named" }, "row")

export const messagingRows: ReadonlyArray<MetricRow> = [
  queue.counter("heddle_jobs_total", "Jobs that this process has worked on, by what became of them", {
    outcome: ["Completed", "Retried", "Dead", "HandedBack", "lost"]
  }),
  queue.gauge("heddle_jobs_running", "Jobs that this process works on"),
  topic.counter(
    "heddle_messages_total",
    "Messages that this process has published, received, and dropped because a subscription was full",
    { outcome: ["published", "received", "dropped"] }
  ),
  log.counter("heddle_log_appended_total", "Entries that this process has appended"),
  log.counter(
    "heddle_log_consumed_total",
    "Entries that consumers of this process have worked on, by what became of them",
    { outcome: ["handled", "failed", "undecodable", "interrupted"] }
  ),
  log.counter("heddle_log_commits_total", "Commits of positions, by what became of them", {
    outcome: ["made", "failed", "replaced"]
  }),
  outbox.counter(
    "heddle_outbox_rows_total",
    "Rows of an outbox that this process has sent, has set aside, and could not send when it gave up for the moment",
    { outcome: ["sent", "refused", "failed"] }
  )
]
