/** `pg_advisory_lock` and `pg_advisory_unlock` on pg, both awaited; a connection for each caller, as each of them may wait. */
import { Client } from "pg"
import { type Contender, fromPromises, type Open } from "../../harness/Contender.ts"

export const connected = async (url: string): Promise<Client> => {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

const take = { name: "take", text: "select pg_advisory_lock(hashtextextended($1, 0))" }
const give = { name: "give", text: "select pg_advisory_unlock(hashtextextended($1, 0))" }

/** One connection's locks. */
export const on = (client: Client): Contender =>
  fromPromises((key) => client.query({ ...take, values: [key] }), (key) => client.query({ ...give, values: [key] }))

export const open: Open = (url) => {
  const idle: Array<Contender> = []
  return Promise.resolve({
    run: async (lane) => {
      const mine = idle.pop() ?? on(await connected(url))
      await mine.run(lane)
      idle.push(mine)
    }
  })
}
