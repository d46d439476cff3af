/** Calls of gRPC beside plain grpc-js: server and client in one process, with the same messages of protobuf-es. */
import { type Match, play } from "../harness/loads.ts"

const contenders = (search: string): Match["contenders"] => [
  ["@grpc/grpc-js alone", `plain.ts${search}`],
  ["heddle", `heddle.ts${search}`]
]

const from = import.meta.url

export const grpc = play("grpc", [
  { title: "gRPC: unary calls, 64 in flight", from, count: 10_000, rounds: 7, contenders: contenders("") },
  { title: "gRPC: unary calls, one at a time", from, count: 3_000, rounds: 7, contenders: contenders("?single") },
  { title: "gRPC: answers of one stream", from, count: 50_000, rounds: 7, contenders: contenders("?stream") }
])
