/** The limit: a stream and a consumer group on ioredis, which reads five hundred at once, and acknowledges and deletes them together. */
import * as Schema from "effect/Schema"
import { Redis } from "ioredis"
import { type Connect, opening, Payload } from "../Queue.ts"

const [stream, group, most] = ["bench:stream", "workers", 500]

export const connect: Connect = async (url, done) => {
  const client = new Redis(url)
  await client.xgroup("CREATE", stream, group, "$", "MKSTREAM").catch(() => {})
  if (done !== undefined) void work(new Redis(url), client, done)
  const add = (payload: Payload) => ["XADD", stream, "*", "data", JSON.stringify(payload)] as const
  return {
    many: async (payloads) => {
      for (let sent = 0; sent < payloads.length; sent += most) {
        const pipeline = client.pipeline()
        for (const payload of payloads.slice(sent, sent + most)) {
          pipeline.xadd(stream, "*", "data", JSON.stringify(payload))
        }
        await pipeline.exec()
      }
    },
    one: (payload) => client.call(...add(payload))
  }
}

const Entries = Schema.Array(
  Schema.Tuple([Schema.String, Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))])
)

const work = async (reader: Redis, client: Redis, done: (payload: Payload) => void): Promise<never> => {
  for (;;) {
    const got = await reader.xreadgroup(
      "GROUP",
      group,
      String(process.pid),
      "COUNT",
      most,
      "BLOCK",
      1000,
      "STREAMS",
      stream,
      ">"
    )
    for (const [, entries] of Schema.decodeUnknownSync(Entries)(got ?? [])) {
      const ids = entries.map(([id]) => id)
      for (const [, [, data = ""]] of entries) done(Schema.decodeUnknownSync(Payload)(JSON.parse(data)))
      await Promise.all([client.xack(stream, group, ...ids), client.xdel(stream, ...ids)])
    }
  }
}
export const open = opening(connect, import.meta.url)
