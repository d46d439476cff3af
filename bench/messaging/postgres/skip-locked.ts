/** The limit: a table on `pg`, from which a worker takes five hundred rows at once with SKIP LOCKED, and deletes them together. */
import { Client, Pool } from "pg"
import { type Connect, opening, type Payload } from "../Queue.ts"

const most = 500
const table = `
create table if not exists bench_job (id bigserial primary key, payload jsonb not null, taken timestamptz);
create index if not exists bench_waiting on bench_job (id) where taken is null`
const claim = `
update bench_job set taken = now() where id in
  (select id from bench_job where taken is null order by id for update skip locked limit ${most}) returning id, payload`

export const connect: Connect = async (connectionString, done) => {
  const pool = new Pool({ connectionString, max: 10 })
  await pool.query(table)
  if (done !== undefined) await work(connectionString, done)
  const notify = "select pg_notify('bench', '')"
  return {
    many: async (payloads) => {
      for (let sent = 0; sent < payloads.length; sent += 1000) {
        const some = payloads.slice(sent, sent + 1000).map((payload) => JSON.stringify(payload))
        await pool.query({
          name: "many",
          text: `with a as (insert into bench_job (payload) select unnest($1::jsonb[])) ${notify}`,
          values: [some]
        })
      }
    },
    one: (payload) =>
      pool.query({
        name: "one",
        text: `with a as (insert into bench_job (payload) values ($1)) ${notify}`,
        values: [JSON.stringify(payload)]
      })
  }
}

const work = async (connectionString: string, done: (payload: Payload) => void): Promise<void> => {
  const [listener, worker] = [new Client({ connectionString }), new Client({ connectionString })]
  await Promise.all([listener.connect(), worker.connect()])
  let busy = false
  let again = false
  const look = async (): Promise<void> => {
    again = true
    if (busy) return
    busy = true
    while (again) {
      again = false
      const { rows } = await worker.query({ name: "claim", text: claim })
      if (rows.length === 0) continue
      again = true
      for (const { payload } of rows) done(payload)
      await worker.query({
        name: "done",
        text: "delete from bench_job where id = any($1)",
        values: [rows.map(({ id }) => id)]
      })
    }
    busy = false
  }
  listener.on("notification", () => void look())
  await listener.query("listen bench")
}
export const open = opening(connect, import.meta.url)
