import { type MetricRow, rowsOf } from "./MetricRow.ts"

const named = { name: "named" } as const

const pool = rowsOf("WorkerPool", named, "task")
const threads = rowsOf("ThreadPool", named, "task")
const fanOut = rowsOf("FanOut", named, "item")
const batcher = rowsOf("Batcher", named, "item")
const partitioner = rowsOf("Partitioner", named, "item")
const pipeline = rowsOf("Pipeline", { ...named, stage: "named" }, "item")
const multiplexer = rowsOf("Multiplexer", { ...named, source: "named" }, "element")
const keyedMutex = rowsOf("KeyedMutex", named, "key")
const keyedWaiter = rowsOf("KeyedMutex", named, "effect")
const hedgeCall = rowsOf("Hedge", named, "call")
const hedgeAttempt = rowsOf("Hedge", named, "attempt")

export const flowRows: ReadonlyArray<MetricRow> = [
  pool.gauge("heddle_worker_pool_depth", "Tasks in the queue"),
  pool.gauge("heddle_worker_pool_waiting", "Submitters that wait for room in the queue"),
  pool.gauge("heddle_worker_pool_active", "Tasks that run"),
  pool.gauge("heddle_worker_pool_size", "Tasks that may run at a time"),
  pool.counter("heddle_worker_pool_completed_total", "Tasks that ended well"),
  pool.counter("heddle_worker_pool_failed_total", "Tasks that ended by a failure or a defect"),
  pool.counter(
    "heddle_worker_pool_interrupted_total",
    "Tasks that were interrupted, by their submitter, themselves or a shutdown"
  ),
  pool.counter("heddle_worker_pool_late_total", "Tasks that were ended by their deadline"),
  pool.counter("heddle_worker_pool_dropped_total", "Tasks that left the queue for a newer one or by a shutdown"),
  pool.counter("heddle_worker_pool_refused_total", "Tasks that were not accepted"),
  pool.histogram("heddle_worker_pool_wait_seconds", "How long tasks waited before they ran"),
  pool.histogram("heddle_worker_pool_latency_seconds", "From the moment a task was submitted to its end"),
  threads.gauge("heddle_thread_pool_depth", "Tasks in the queue"),
  threads.gauge("heddle_thread_pool_waiting", "Submitters that wait for room in the queue"),
  threads.gauge("heddle_thread_pool_active", "Tasks that run"),
  threads.gauge("heddle_thread_pool_size", "Tasks that may run at a time"),
  threads.counter("heddle_thread_pool_completed_total", "Tasks that ended well"),
  threads.counter("heddle_thread_pool_failed_total", "Tasks that ended by a failure or a defect"),
  threads.counter(
    "heddle_thread_pool_interrupted_total",
    "Tasks that were interrupted, by their submitter, themselves or a shutdown"
  ),
  threads.counter("heddle_thread_pool_late_total", "Tasks that were ended by their deadline"),
  threads.counter("heddle_thread_pool_dropped_total", "Tasks that left the queue for a newer one or by a shutdown"),
  threads.counter("heddle_thread_pool_refused_total", "Tasks that were not accepted"),
  threads.histogram("heddle_thread_pool_wait_seconds", "How long tasks waited before they ran"),
  threads.histogram("heddle_thread_pool_latency_seconds", "From the moment a task was submitted to its end"),
  fanOut.gauge("heddle_fan_out_depth", "Items that are known and not begun"),
  fanOut.gauge("heddle_fan_out_active", "Items that are worked on"),
  fanOut.counter("heddle_fan_out_completed_total", "Items whose task succeeded"),
  fanOut.counter("heddle_fan_out_failed_total", "Items whose task failed, died or was interrupted by itself"),
  fanOut.histogram("heddle_fan_out_latency_seconds", "How long a task took"),
  batcher.gauge("heddle_batcher_depth", "Items that were taken and are in no batch"),
  batcher.gauge("heddle_batcher_waiting", "Items that wait for room"),
  batcher.gauge("heddle_batcher_active", "Items in batches that run"),
  batcher.counter("heddle_batcher_completed_total", "Items that succeeded"),
  batcher.counter("heddle_batcher_failed_total", "Items that failed, or whose batch did"),
  batcher.counter(
    "heddle_batcher_dropped_total",
    "Items that were taken and did not run to their end: their submitters were interrupted, or a shutdown was over"
  ),
  batcher.histogram("heddle_batcher_latency_seconds", "How long items took, from when they were taken to their end"),
  partitioner.gauge("heddle_partitioner_depth", "Items that were taken and have not started"),
  partitioner.gauge("heddle_partitioner_waiting", "Items that wait for room"),
  partitioner.gauge("heddle_partitioner_active", "Items that run"),
  partitioner.counter("heddle_partitioner_completed_total", "Items that were handled"),
  partitioner.counter("heddle_partitioner_failed_total", "Items whose handler failed"),
  partitioner.counter(
    "heddle_partitioner_dropped_total",
    "Items that were taken and did not run to their end: their submitter was interrupted, or a shutdown was over"
  ),
  partitioner.histogram(
    "heddle_partitioner_latency_seconds",
    "How long items took, from when they were taken to their end"
  ),
  pipeline.gauge("heddle_pipeline_depth", "Items that wait before a stage"),
  pipeline.gauge(
    "heddle_pipeline_active",
    "Items that a stage works on, or that are done and wait for those before them"
  ),
  pipeline.counter("heddle_pipeline_completed_total", "Items that a stage has let go on"),
  pipeline.counter("heddle_pipeline_failed_total", "Items that failed in a stage"),
  pipeline.counter("heddle_pipeline_dropped_total", "Items that were inside a stage when the pipeline was stopped"),
  pipeline.histogram(
    "heddle_pipeline_latency_seconds",
    "How long a stage worked on an item, with all its attempts"
  ),
  multiplexer.gauge(
    "heddle_multiplexer_depth",
    "Elements that were taken from a source and wait to be delivered"
  ),
  multiplexer.gauge("heddle_multiplexer_waiting", "Sources that wait for room"),
  multiplexer.counter("heddle_multiplexer_completed_total", "Elements delivered"),
  multiplexer.counter("heddle_multiplexer_dropped_total", "Elements dropped for want of room"),
  multiplexer.histogram("heddle_multiplexer_latency_seconds", "How long elements waited before they were delivered"),
  hedgeAttempt.gauge(
    "heddle_hedge_active",
    "Attempts that run, those that were given up and have not ended too"
  ),
  hedgeCall.counter("heddle_hedge_completed_total", "Calls of which enough attempts succeeded"),
  hedgeCall.counter("heddle_hedge_failed_total", "Calls of which too many attempts failed"),
  hedgeCall.counter("heddle_hedge_interrupted_total", "Calls that were interrupted"),
  hedgeCall.counter("heddle_hedge_late_total", "Calls that were not done in time"),
  hedgeAttempt.counter("heddle_hedge_extra_total", "Attempts beyond those that a call needs"),
  hedgeAttempt.counter("heddle_hedge_refused_total", "Extra attempts that the budget denied"),
  hedgeCall.histogram("heddle_hedge_latency_seconds", "From the start of a call to its answer"),
  keyedMutex.gauge("heddle_keyed_mutex_active", "Keys that are locked"),
  keyedWaiter.gauge("heddle_keyed_mutex_waiting", "Effects that wait for their key"),
  keyedWaiter.histogram("heddle_keyed_mutex_latency_seconds", "From asking for a key to having it")
]
