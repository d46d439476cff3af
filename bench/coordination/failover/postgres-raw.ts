/** `pg_advisory_lock` on pg, without a ttl: a stopped process keeps it for ever. */
import type { Sit } from "../../harness/Seat.ts"
import { connected } from "../postgres/raw.ts"

export const sit: Sit = async (url, seat) =>
  (await connected(url)).query("select pg_advisory_lock(hashtextextended($1, 0))", [seat])
