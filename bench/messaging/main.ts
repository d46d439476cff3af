/** Work queues and topics beside their peers, on private servers. */
import { Servers } from "@heddle/testkit"
import { type Match, play } from "../harness/loads.ts"
import { delays } from "./delays.ts"

const redis = [
  ["raw streams on ioredis, read and acknowledged by 500", "redis/streams.ts"],
  ["heddle", "redis/heddle.ts"],
  ["bee-queue", "redis/bee-queue.ts"],
  ["bullmq", "redis/bullmq.ts"],
  ["Effect's PersistedQueue", "redis/persisted-queue.ts"]
] as const

const postgres = [
  ["raw SKIP LOCKED on pg, claimed and deleted by 500", "postgres/skip-locked.ts"],
  ["heddle", "postgres/heddle.ts"],
  ["graphile-worker", "postgres/graphile-worker.ts"],
  ["pg-boss", "postgres/pg-boss.ts"]
] as const

const nats = [["raw JetStream, five hundred ahead", "nats/jetstream.ts"], ["heddle", "nats/heddle.ts"]] as const
const rabbitmq = [["amqplib, five hundred ahead", "rabbitmq/amqplib.ts"], ["heddle", "rabbitmq/heddle.ts"]] as const

const from = import.meta.url
const single = (contenders: Match["contenders"]) => contenders.map(([name, file]) => [name, `${file}?single`] as const)
/** After 120,000 jobs each of them has the rate that it keeps, and after 30,000 has it again when others had their turn. */
const queues = { from, count: 10_000, rounds: 5, warmUps: 3, before: 3 }
const starts = { from, count: 200, rounds: 3, measure: delays }
const topics = { from, count: 20_000, rounds: 5 }

export const messaging = play("messaging", [
  { ...queues, title: "Work queue on Redis: 10,000 jobs in bulk", server: Servers.redis, contenders: redis },
  { ...queues, title: "Work queue on Redis: 10,000 jobs one by one", server: Servers.redis, contenders: single(redis) },
  { ...queues, title: "Work queue on PostgreSQL: 10,000 jobs in bulk", server: Servers.postgres, contenders: postgres },
  {
    ...queues,
    title: "Work queue on PostgreSQL: 10,000 jobs one by one",
    server: Servers.postgres,
    contenders: single(postgres)
  },
  { ...queues, title: "Work queue on NATS: 10,000 jobs in bulk", server: Servers.nats, contenders: nats },
  { ...queues, title: "Work queue on NATS: 10,000 jobs one by one", server: Servers.nats, contenders: single(nats) },
  { ...queues, title: "Work queue on RabbitMQ: 10,000 jobs in bulk", server: Servers.rabbitmq, contenders: rabbitmq },
  {
    ...queues,
    title: "Work queue on RabbitMQ: 10,000 jobs one by one",
    server: Servers.rabbitmq,
    contenders: single(rabbitmq)
  },
  { ...starts, title: "From enqueue to start on Redis", server: Servers.redis, contenders: redis },
  { ...starts, title: "From enqueue to start on PostgreSQL", server: Servers.postgres, contenders: postgres },
  { ...starts, title: "From enqueue to start on NATS", server: Servers.nats, contenders: nats },
  { ...starts, title: "From enqueue to start on RabbitMQ", server: Servers.rabbitmq, contenders: rabbitmq },
  {
    ...topics,
    title: "Topic on Redis: one tells, four hear",
    server: Servers.redis,
    contenders: [["ioredis", "topic/redis-raw.ts"], ["heddle", "topic/redis-heddle.ts"]]
  },
  {
    ...topics,
    title: "Topic on NATS: one tells, four hear",
    server: Servers.nats,
    contenders: [["the client of NATS", "topic/nats-raw.ts"], ["heddle", "topic/nats-heddle.ts"]]
  },
  {
    ...topics,
    title: "Topic on RabbitMQ: one tells, four hear",
    server: Servers.rabbitmq,
    contenders: [["amqplib", "topic/rabbitmq-raw.ts"], ["heddle", "topic/rabbitmq-heddle.ts"]]
  }
])
