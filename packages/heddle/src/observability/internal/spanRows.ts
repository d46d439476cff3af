/** One span as the catalogue has it. */
export interface SpanRow {
  readonly name: string
  readonly attributes: ReadonlyArray<string>
  /** From when to when. */
  readonly spans: string
}

const section = (pattern: string, noun: string, methods: ReadonlyArray<string>): ReadonlyArray<SpanRow> =>
  methods.map((method) => ({
    name: `${pattern}.${method}`,
    attributes: ["heddle.backend", `heddle.${noun}.key`, `heddle.${noun}.token`],
    spans: "the wait, the section, and the giving back"
  }))

const kv = (method: string): SpanRow => ({
  name: `Kv.${method}`,
  attributes: ["heddle.backend", "heddle.kv.namespace"],
  spans: method === "watch" ? "until the watch is live" : "the call"
})

export const spanRows: ReadonlyArray<SpanRow> = [
  ...section("DistributedLock", "lock", ["withLock", "tryLock"]),
  ...section("ReadWriteLock", "rwlock", ["withRead", "withWrite", "tryRead", "tryWrite"]),
  ...section("DistributedSemaphore", "semaphore", ["withPermits", "tryWithPermits"]),
  {
    name: "LeaderElection.campaign",
    attributes: ["heddle.backend", "heddle.election"],
    spans: "until the term is won"
  },
  { name: "Membership.join", attributes: ["heddle.backend", "heddle.group"], spans: "until it is a member" },
  { name: "Barrier.await", attributes: ["heddle.backend", "heddle.barrier.key"], spans: "the wait" },
  { name: "Once.run", attributes: ["heddle.backend", "heddle.once.key"], spans: "until there is a result" },
  { name: "Cron.tick", attributes: ["heddle.backend", "heddle.cron.name"], spans: "what runs at a tick" },
  ...["get", "entries", "put", "delete", "compareAndSet", "modify", "propose", "watch"].map(kv),
  ...["firstSuccess", "hedged", "quorum"].map((method): SpanRow => ({
    name: `Hedge.${method}`,
    attributes: [],
    spans: "from the start of a call to its answer"
  })),
  { name: "Hedge.attempt", attributes: ["attempt"], spans: "one attempt of a call" },
  { name: "WorkQueue.process", attributes: ["queue", "id", "attempt", "age"], spans: "the work on a job" },
  { name: "Topic.handle", attributes: ["subject"], spans: "the work on a message" },
  { name: "Log.consume", attributes: ["log", "consumer", "offset"], spans: "the work on an entry" },
  { name: "Log.handle", attributes: ["subject"], spans: "the work on an entry" },
  { name: "Shutdown.run", attributes: [], spans: "all steps of a shutdown" },
  { name: "Shutdown.step", attributes: ["step", "phase"], spans: "one step" }
]
