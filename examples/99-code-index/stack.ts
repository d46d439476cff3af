import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { LeaseAbility, LeaseStore } from "heddle/coordination"
import type { Broker, JobStore } from "heddle/messaging"

/** Which backend has which store. Only those that are asked for are loaded. */
const stores = {
  leases: {
    memory: () => import("./memory.ts"),
    redis: () => import("./redis.ts"),
    postgres: () => import("./postgres.ts"),
    etcd: () => import("./etcd.ts")
  },
  jobs: {
    memory: () => import("./memory.ts"),
    redis: () => import("./redis.ts"),
    postgres: () => import("./postgres.ts"),
    nats: () => import("./nats.ts")
  },
  topics: {
    memory: () => import("./memory.ts"),
    redis: () => import("./redis.ts"),
    postgres: () => import("./postgres.ts"),
    nats: () => import("./nats.ts"),
    rabbitmq: () => import("./rabbitmq.ts")
  }
} as const

export const Leases = ["memory", "redis", "postgres", "etcd"] as const
export const Jobs = ["memory", "redis", "postgres", "nats"] as const
export const Topics = ["memory", "redis", "postgres", "nats", "rabbitmq"] as const

/** Where the leases, the jobs and the topics of a run live: any mix. */
export const Stack = Schema.Struct({
  leases: Schema.Struct({ backend: Schema.Literals(Leases), url: Schema.String }),
  jobs: Schema.Struct({ backend: Schema.Literals(Jobs), url: Schema.String }),
  topics: Schema.Struct({ backend: Schema.Literals(Topics), url: Schema.String })
})
export type Stack = typeof Stack.Type

/** What the cluster stands on. */
export type Stores = LeaseStore.LeaseStore | LeaseAbility.All | JobStore.All | Broker.Broker

/** The three stores, each where the stack says. */
export const layerOf = ({ jobs, leases, topics }: Stack): Layer.Layer<Stores, Error> =>
  Layer.unwrap(Effect.promise(async () => {
    const [from, by, over] = await Promise.all([
      stores.leases[leases.backend](),
      stores.jobs[jobs.backend](),
      stores.topics[topics.backend]()
    ])
    const kept: Layer.Layer<LeaseStore.LeaseStore | LeaseAbility.All, Error> = from.leases(leases.url)
    const done: Layer.Layer<JobStore.All, Error> = by.jobs(jobs.url)
    const told: Layer.Layer<Broker.Broker, Error> = over.topics(topics.url)
    return Layer.mergeAll(kept, done, told)
  }))
